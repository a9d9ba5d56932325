"""The code inside a worker: make the work function once, then answer tasks until it is stopped.

A worker process ends with its parent: when the pipe closes or, if it is busy then, when a thread
that watches the parent sees its end.
"""

import logging
import os
import signal
import sys
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

import psutil

from acorn.errors import AcornError
from service.observability.logs import request_id
from service.workers.protocol import Done, Failed, NotStarted, Started, Stop, Task, WorkFactory

logger = logging.getLogger(__name__)

P = TypeVar("P")
R = TypeVar("R")


class Worker(Generic[P, R]):
    """Applies the work function to one task after the other."""

    def start(self, factory: WorkFactory[P, R], index: int) -> Started | NotStarted:
        """Make the work function."""
        try:
            self._function = factory(index)
        except Exception as error:
            return NotStarted(describe(error))
        return Started(os.getpid())

    def answer(self, task: Task[P]) -> Done[R] | Failed:
        """Process one task; log records carry the id of the request that asked for it."""
        token = request_id.set(task.request_id)
        try:
            result = self._function(task.payload)
        except AcornError as error:
            return Failed(task.number, error, held_bytes())
        except Exception as error:
            logger.exception("a network cannot be computed")
            return Failed(task.number, describe(error), held_bytes())
        finally:
            request_id.reset(token)
        return Done(task.number, result, held_bytes())


def worker_main(
    connection: "Connection[object, object]", factory: WorkFactory[P, R], index: int
) -> None:
    """Run one worker; the target of the process.

    Parameters
    ----------
    connection : Connection
        The worker's end of the pipe to the pool.
    factory : WorkFactory
        Makes the work function.
    index : int
        The worker's place in the pool.
    """
    end_with_parent_only()
    worker = Worker[P, R]()
    try:
        outcome = worker.start(factory, index)
        connection.send(outcome)
        while isinstance(outcome, Started):
            match connection.recv():
                case Task() as task:
                    connection.send(worker.answer(task))
                case Stop():
                    return
                case other:
                    raise TypeError(f"got {other!r}; expected Task or Stop")
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent closed the pipe or is gone


def end_with_parent_only() -> None:
    """Ignore SIGINT and SIGTERM; end this process when its parent is gone."""
    # Ctrl-C and a service manager signal the whole group; accepted work still has to finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_watch_parent, name="parent-watch", daemon=True).start()


def _watch_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def held_bytes() -> int:
    """Resident bytes of this process, or bytes reserved on CUDA devices if these are more."""
    reserved = 0
    torch = sys.modules.get("torch")  # a worker without torch need not import it for this
    if torch is not None and torch.cuda.is_initialized():
        reserved = sum(map(torch.cuda.memory_reserved, range(torch.cuda.device_count())))
    return max(psutil.Process().memory_info().rss, reserved)


def describe(error: BaseException) -> str:
    """Write an unforeseen exception on one line: its type and text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
