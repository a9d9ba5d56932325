"""The bounded queue of jobs for the workers.

Background jobs wait in a queue of their own, behind all others and without a time limit; their
sender limits their number.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from acorn.errors import AcornError
from service.errors import AbandonedError, QueueFullError, TooMuchWorkError, UnavailableError
from service.observability.logs import request_id

P = TypeVar("P")
R = TypeVar("R")

RETRY_AFTER_SECONDS = (1, 600)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """A result with its times.

    Attributes
    ----------
    result
    queue_seconds : float
        Time in the queue.
    seconds : float
        Time in the worker.
    """

    result: R
    queue_seconds: float
    seconds: float


class Timed:
    """An object that has at most one timer at a time."""

    _timer: asyncio.TimerHandle | None = None

    def set_timer(self, timer: asyncio.TimerHandle | None) -> None:
        """Replace the present timer, which is cancelled."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer


class Job(Timed, Generic[P, R]):
    """A payload in progress; its future always gets a value, which may be an error.

    ``request_id`` is the id of the request that asked for it first.
    """

    def __init__(self, key: str, payload: P, number: int, *, background: bool = False) -> None:
        self.key = key
        self.background = background
        self.payload = payload
        self.number = number
        self.request_id = request_id.get()
        self.future: asyncio.Future[Outcome[R] | AcornError] = (
            asyncio.get_running_loop().create_future()
        )
        self.waiters = 0
        self.queued = time.monotonic()
        self.started = 0.0


class JobQueue(Generic[P, R]):
    """Jobs by key: those that wait, in order, and those that a worker computes.

    Parameters
    ----------
    size : int
        Jobs that may wait.
    waiting_seconds : float
        Longest wait; then the job ends with :class:`~service.errors.UnavailableError`.
    on_concluded : callable
        Called with the outcome or error of every job.
    """

    def __init__(
        self,
        *,
        size: int,
        waiting_seconds: float,
        on_concluded: Callable[[Outcome[R] | AcornError], None],
    ) -> None:
        self._size = size
        self._on_concluded = on_concluded
        self._waiting_seconds = waiting_seconds
        self._jobs: dict[str, Job[P, R]] = {}
        self._waiting: deque[Job[P, R]] = deque()
        self._background: deque[Job[P, R]] = deque()
        self._numbers = 0
        self._mean_seconds = 1.0

    def __len__(self) -> int:
        """Count the jobs that wait, background jobs included."""
        return len(self._waiting) + len(self._background)

    def __contains__(self, key: str) -> bool:
        """Tell whether a job of this key waits or is computed."""
        return key in self._jobs

    def __getitem__(self, key: str) -> Job[P, R]:
        """Find the job of a key."""
        return self._jobs[key]

    def admit(self, n: int, *, idle: int, workers: int) -> None:
        """Check that there is room for more jobs.

        Parameters
        ----------
        n : int
            New jobs.
        idle, workers : int
            Workers that take a job at once, and all workers.

        Raises
        ------
        TooMuchWorkError
            If they would not fit into an empty queue either.
        QueueFullError
            If they do not fit now.
        """
        if n > self._size + workers:
            raise TooMuchWorkError(
                f"got {n} networks to compute; expected at most {self._size} at once"
            )
        if n and len(self._waiting) + n > self._size + idle:
            raise QueueFullError(
                f"got {n} networks to compute while {len(self._waiting)} wait already; "
                f"at most {self._size} may wait",
                retry_after=self.retry_after(workers),
            )

    def retry_after(self, workers: int) -> int:
        """Estimate the seconds until the present queue is processed."""
        low, high = RETRY_AFTER_SECONDS
        estimate = len(self._waiting) * self._mean_seconds / max(1, workers)
        return min(max(math.ceil(estimate), low), high)

    def put(self, key: str, payload: P, *, background: bool = False) -> None:
        """Queue a new job."""
        self._numbers += 1
        job = Job[P, R](key, payload, self._numbers, background=background)
        self._jobs[key] = job
        self._queue_of(job).append(job)
        self._limit_waiting(job)

    def promote(self, job: Job[P, R]) -> None:
        """Take a job out of the background, since a request waits for it."""
        if job.background and job in self._background:
            self._background.remove(job)
            self._waiting.append(job)
            job.background = False
            self._limit_waiting(job)

    def put_back(self, job: Job[P, R]) -> None:
        """Queue a job again, before all others of its queue."""
        self._queue_of(job).appendleft(job)
        self._limit_waiting(job)

    def take(self) -> Job[P, R] | None:
        """Take the first waiting job; it must be concluded or put back."""
        jobs = self._waiting or self._background
        if not jobs:
            return None
        job = jobs.popleft()
        job.started = time.monotonic()
        job.set_timer(None)
        return job

    def conclude(self, job: Job[P, R], value: Outcome[R] | AcornError) -> None:
        """Give the waiters of a job their result and remove the job."""
        job.set_timer(None)
        self._jobs.pop(job.key, None)
        if isinstance(value, Outcome):
            self._mean_seconds += 0.1 * (value.seconds - self._mean_seconds)
        self._on_concluded(value)
        if not job.future.done():
            job.future.set_result(value)

    def release(self, job: Job[P, R]) -> None:
        """Remove a waiter; a waiting job without waiters is dropped."""
        job.waiters -= 1
        if job.waiters == 0 and job in self._queue_of(job):
            self._queue_of(job).remove(job)
            self.conclude(job, AbandonedError("all clients that asked have left"))

    def empty(self, error: AcornError) -> None:
        """End all waiting jobs with an error."""
        for jobs in (self._waiting, self._background):
            while jobs:
                self.conclude(jobs.popleft(), error)

    def _queue_of(self, job: Job[P, R]) -> deque[Job[P, R]]:
        return self._background if job.background else self._waiting

    def _limit_waiting(self, job: Job[P, R]) -> None:
        if job.background:
            job.set_timer(None)
            return
        loop = asyncio.get_running_loop()
        job.set_timer(loop.call_later(self._waiting_seconds, self._expire, job))

    def _expire(self, job: Job[P, R]) -> None:
        self._waiting.remove(job)
        detail = f"no worker was free within {self._waiting_seconds:g} s"
        self.conclude(job, UnavailableError(detail, retry_after=self.retry_after(1)))
