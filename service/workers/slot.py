"""A place in the pool for a worker process."""

import asyncio
from typing import Generic, TypeVar

from service.workers.handle import Handle
from service.workers.queue import Job

P = TypeVar("P")
R = TypeVar("R")


class Slot(Generic[P, R]):
    """A place for a worker; its processes come and go.

    Attributes
    ----------
    process
        The present one.
    job
        What it works on.
    started
        Whether it has said that it is ready.
    leaving
        Whether it has been told to end, or killed: it gets no more jobs.
    done
        Jobs that it has done.
    failed_starts
        Processes in a row that ended before they were ready.
    reason
        Why the last one was lost; empty once the next is ready.
    """

    def __init__(self) -> None:
        self.failed_starts = 0
        self.reason = ""
        self._timer: asyncio.TimerHandle | None = None
        self.vacate()

    def vacate(self) -> None:
        """Forget the present process."""
        self.process: Handle[P] | None = None
        self.job: Job[P, R] | None = None
        self.started = False
        self.leaving = False
        self.done = 0

    @property
    def idle(self) -> bool:
        """Whether it can take a job."""
        return self.started and not self.leaving and self.job is None

    def set_timer(self, timer: asyncio.TimerHandle | None) -> None:
        """Put ``timer`` in the place of the present one, which is cancelled."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer
