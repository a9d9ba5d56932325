"""What the pool needs of a worker, wherever it runs."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from service.workers.messages import Stop, Task
from service.workers.work import WorkFactory

P = TypeVar("P")
R = TypeVar("R")


class Handle(Protocol[P]):
    """A worker, seen from the server."""

    @property
    def index(self) -> int:
        """Its place in the pool."""

    @property
    def pid(self) -> int | None:
        """Process id, on whatever machine; None before it is known."""

    def send(self, message: Task[P] | Stop) -> None:
        """Send a message; may block."""

    def kill(self) -> None:
        """End the worker at once; ``on_gone`` follows."""


class StartWorker(Protocol):
    """Starts a worker; a class with such a constructor is one.

    ``factory`` and ``index`` are what the worker makes its work function with. ``on_message`` is
    called in the event loop with every message of the worker; ``on_gone``, once, when it has ended
    for whatever reason; after it no message comes.
    """

    def __call__(  # noqa: D102
        self,
        factory: WorkFactory[P, R],
        index: int,
        *,
        on_message: Callable[[Handle[P], object], None],
        on_gone: Callable[[Handle[P]], None],
    ) -> Handle[P]: ...
