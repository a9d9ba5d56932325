"""Workers as actors of a Ray cluster, on any machine of the cluster that has room.

Imported only if the server runs on Ray, which is an extra.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import ray

from service.workers.protocol import NotStarted, Started, Stop, Task, WorkerHandle, WorkFactory
from service.workers.worker import Worker

logger = logging.getLogger(__name__)

P = TypeVar("P")
R = TypeVar("R")

_WATCH = "watch"


class _Actor(Worker[Any, Any]):
    """A worker whose end can be awaited while it works."""

    @ray.method(concurrency_group=_WATCH)  # type: ignore[untyped-decorator]
    def live(self) -> None:
        """Never return: the call fails when the actor ends."""
        threading.Event().wait()


@dataclass(frozen=True, slots=True)
class RayWorkers:
    """Starts workers as Ray actors; a :class:`~service.workers.protocol.StartWorker`.

    Attributes
    ----------
    cpus, gpus : float
        Resources that the cluster reserves for each worker.
    """

    cpus: float = 1.0
    gpus: float = 0.0

    def __call__(
        self,
        factory: WorkFactory[P, R],
        index: int,
        *,
        on_message: Callable[[WorkerHandle[P], object], None],
        on_gone: Callable[[WorkerHandle[P]], None],
    ) -> "RayWorker[P]":
        """Start one worker."""
        options = {"num_cpus": self.cpus, "num_gpus": self.gpus, "concurrency_groups": {_WATCH: 1}}
        actor = ray.remote(**options)(_Actor)
        return RayWorker(actor.remote(), factory, index, on_message=on_message, on_gone=on_gone)


class RayWorker(WorkerHandle[P]):
    """An actor, as the server sees it.

    Parameters
    ----------
    actor
        Ray's handle of the actor; the actor ends with the last handle.
    factory, index, on_message, on_gone
        As in :class:`~service.workers.protocol.StartWorker`.
    """

    def __init__(
        self,
        actor: Any,
        factory: WorkFactory[P, R],
        index: int,
        *,
        on_message: Callable[[WorkerHandle[P], object], None],
        on_gone: Callable[[WorkerHandle[P]], None],
    ) -> None:
        super().__init__(index, on_message=on_message, on_gone=on_gone)
        self._actor = actor
        actor.live.remote().future().add_done_callback(self._note_gone)
        self._expect(actor.start.remote(factory, index))

    def send(self, message: Task[P] | Stop) -> None:
        """Send a message."""
        if isinstance(message, Stop):
            self.kill()
        else:
            self._expect(self._actor.answer.remote(message))

    def kill(self) -> None:
        """End the actor at once; ``on_gone`` follows."""
        ray.kill(self._actor)

    def _expect(self, answer: Any) -> None:
        answer.future().add_done_callback(self._hear)

    def _hear(self, answer: "Future[object]") -> None:
        error = answer.exception()
        if error is None:
            self._post(self._receive, answer.result())
        elif not isinstance(error, ray.exceptions.RayActorError):  # which ends live() as well
            logger.error("worker %d sent an unreadable message: %s", self.index, error)
            self.kill()

    def _receive(self, message: object) -> None:
        if isinstance(message, Started):
            self.pid = message.pid
        self._on_message(self, message)
        if isinstance(message, NotStarted):
            self.kill()

    def _note_gone(self, _end: "Future[None]") -> None:
        self._post(self._on_gone, self)
