"""A worker process, as the server sees it."""

import asyncio
import logging
import multiprocessing
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from service.workers.protocol import Stop, Task, WorkerHandle, WorkFactory
from service.workers.worker import worker_main

logger = logging.getLogger(__name__)

P = TypeVar("P")
R = TypeVar("R")

# Forked processes would share locks and CUDA contexts with the server.
_context = multiprocessing.get_context("spawn")


class WorkerProcess(Generic[P, R]):
    """A spawned worker process and the thread that receives its messages.

    It has the parameters of :class:`~service.workers.protocol.StartWorker`.
    """

    def __init__(
        self,
        factory: WorkFactory[P, R],
        index: int,
        *,
        on_message: Callable[[WorkerHandle[P], object], None],
        on_gone: Callable[[WorkerHandle[P]], None],
    ) -> None:
        self.index = index
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_gone = on_gone
        self._connection, theirs = _context.Pipe()
        self._process = _context.Process(
            target=worker_main,
            args=(theirs, factory, index),
            name=f"acorn-worker-{index}",
            daemon=True,
        )
        self._process.start()
        theirs.close()  # so that the pipe closes when the process ends
        self._listener = threading.Thread(
            target=self._listen, name=f"acorn-listener-{index}", daemon=True
        )
        self._listener.start()

    @property
    def pid(self) -> int | None:
        """Process id."""
        return self._process.pid

    def send(self, message: Task[P] | Stop) -> None:
        """Send a message; may block on a worker that does not read."""
        try:
            self._connection.send(message)
        except OSError:
            logger.debug("worker %d ended before a message reached it", self.index)

    def kill(self) -> None:
        """End the process at once; ``on_gone`` follows."""
        self._process.kill()

    def _listen(self) -> None:
        try:
            while True:
                self._post(self._on_message, self, self._connection.recv())
        except (EOFError, OSError):
            pass  # the process ended or was killed
        except Exception:
            logger.exception("worker %d sent an unreadable message", self.index)
        self._process.join(timeout=1.0)  # it may be ending by itself
        self._process.kill()
        self._process.join()
        self._connection.close()
        self._post(self._on_gone, self)

    def _post(self, callback: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            logger.debug("worker %d outlived the event loop", self.index)
