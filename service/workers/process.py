"""A worker process, as the server sees it."""

import logging
import multiprocessing
import threading
from collections.abc import Callable
from typing import TypeVar

from service.workers.protocol import Stop, Task, WorkerHandle, WorkFactory
from service.workers.worker import worker_main

logger = logging.getLogger(__name__)

P = TypeVar("P")
R = TypeVar("R")

# Forked processes would share locks and CUDA contexts with the server.
_context = multiprocessing.get_context("spawn")


class WorkerProcess(WorkerHandle[P]):
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
        super().__init__(index, on_message=on_message, on_gone=on_gone)
        self._connection, theirs = _context.Pipe()
        self._process = _context.Process(
            target=worker_main,
            args=(theirs, factory, index),
            name=f"acorn-worker-{index}",
            daemon=True,
        )
        self._process.start()
        self.pid = self._process.pid
        theirs.close()  # so that the pipe closes when the process ends
        threading.Thread(target=self._listen, name=f"acorn-listener-{index}", daemon=True).start()

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
