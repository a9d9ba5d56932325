"""The messages between the pool and its workers, and the interfaces of a worker.

The pool does not know where its workers run: in processes of this machine
(:mod:`service.workers.process`) or of a Ray cluster (:mod:`service.workers.ray_worker`).
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

P = TypeVar("P")
R = TypeVar("R")
P_contra = TypeVar("P_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Task(Generic[P]):
    """Pool to worker: process one payload. Log records carry ``request_id``."""

    number: int
    payload: P
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Pool to worker: end."""


@dataclass(frozen=True, slots=True)
class Started:
    """Worker to pool: the work function is made; the worker takes tasks."""

    pid: int


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Worker to pool: the work function could not be made; the worker ends."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """Worker to pool: the result of a task, and the bytes that the worker holds after it."""

    number: int
    result: R
    held_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """Worker to pool: the work function raised; the worker goes on.

    ``error`` is the exception itself if it is one of Acorn's own, all of which can be pickled, else
    a description.
    """

    number: int
    error: Exception | str
    held_bytes: int = 0


class WorkFactory(Protocol[P_contra, R_co]):
    """Makes the function that a worker applies to every payload; pickled to the worker.

    ``index`` is the worker's place in the pool, 0 to ``workers - 1``. The factory is called in the
    worker, so that its imports stay out of the server process.
    """

    def __call__(self, index: int) -> Callable[[P_contra], R_co]:
        """Make the work function."""


class WorkerHandle(ABC, Generic[P]):
    """A worker, as the server sees it.

    Parameters
    ----------
    index, on_message, on_gone
        See :class:`StartWorker`.

    Attributes
    ----------
    pid : int or None
        Process id on the machine of the worker; None until it is known.
    """

    pid: int | None = None

    def __init__(
        self,
        index: int,
        *,
        on_message: Callable[["WorkerHandle[P]", object], None],
        on_gone: Callable[["WorkerHandle[P]"], None],
    ) -> None:
        self.index = index
        self._on_message = on_message
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()

    @abstractmethod
    def send(self, message: Task[P] | Stop) -> None:
        """Send a message; may block."""

    @abstractmethod
    def kill(self) -> None:
        """End the worker at once; ``on_gone`` follows."""

    def _post(self, callback: Callable[..., None], *args: object) -> None:
        """Call a function in the event loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(callback, *args)


class StartWorker(Protocol):
    """Starts a worker; a class with such a constructor is one.

    Parameters
    ----------
    factory : WorkFactory
        Makes the work function, in the worker.
    index : int
        The worker's place in the pool.
    on_message : callable
        Called in the event loop with the handle and every message of the worker.
    on_gone : callable
        Called in the event loop with the handle, once, when the worker has ended for whatever
        reason. No message follows.
    """

    def __call__(  # noqa: D102
        self,
        factory: WorkFactory[P, R],
        index: int,
        *,
        on_message: Callable[[WorkerHandle[P], object], None],
        on_gone: Callable[[WorkerHandle[P]], None],
    ) -> WorkerHandle[P]: ...
