"""Workers as actors of a Ray cluster, on whichever of its machines has room.

Imported only by those who asked for Ray: it is an extra.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ray

from service.workers.protocol import NotStarted, Started, Stop, Task, WorkerHandle, WorkFactory
from service.workers.worker import Worker

logger = logging.getLogger(__name__)

P = TypeVar("P")
R = TypeVar("R")

_WATCH = "watch"


class _Actor(Worker[Any, Any]):
    """A worker that can also be watched while it works."""

    @ray.method(concurrency_group=_WATCH)  # type: ignore[untyped-decorator]
    def live(self) -> None:
        """Return never: whoever waits for it hears of the actor's end."""
        threading.Event().wait()


@dataclass(frozen=True, slots=True)
class RayWorkers:
    """Starts workers as Ray actors; a :class:`~service.workers.protocol.StartWorker`.

    Attributes
    ----------
    cpus, gpus
        What the cluster sets aside for each.
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
        """Start one."""
        options = {"num_cpus": self.cpus, "num_gpus": self.gpus, "concurrency_groups": {_WATCH: 1}}
        actor = ray.remote(**options)(_Actor)
        return RayWorker(actor.remote(), factory, index, on_message=on_message, on_gone=on_gone)


class RayWorker(Generic[P]):
    """An actor, seen from the server.

    Parameters
    ----------
    actor
        Handle of the actor, which ends when nothing holds it any more.
    factory, index, on_message, on_gone
        As of :class:`~service.workers.protocol.StartWorker`.
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
        self.index = index
        self.pid: int | None = None
        self._actor = actor
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_gone = on_gone
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
        elif not isinstance(error, ray.exceptions.RayActorError):  # of which live() tells
            logger.error("worker %d sent what cannot be read: %s", self.index, error)
            self.kill()

    def _receive(self, message: object) -> None:
        if isinstance(message, Started):
            self.pid = message.pid
        self._on_message(self, message)
        if isinstance(message, NotStarted):
            self.kill()

    def _note_gone(self, _end: "Future[None]") -> None:
        self._post(self._on_gone, self)

    def _post(self, callback: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # it outlived the event loop
            self._loop.call_soon_threadsafe(callback, *args)
