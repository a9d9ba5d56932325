"""The life of a worker process: make the work function once, then answer tasks until told to end.

A worker outlives nothing: it ends when the pipe closes and, should it be busy just then, when a
watching thread sees that the parent process is gone.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Generic, Protocol, TypeVar

from models.errors import AcornError
from service.logs import request_id
from service.workers.messages import Done, Failed, NotStarted, Started, Stop, Task

logger = logging.getLogger(__name__)

P = TypeVar("P")
R = TypeVar("R")
P_contra = TypeVar("P_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class WorkFactory(Protocol[P_contra, R_co]):
    """Makes the function that a worker applies to every payload; pickled to the process.

    ``index`` is the worker's place in the pool, 0 to ``workers - 1``. It is called in the worker,
    so that whatever it imports stays out of the parent.
    """

    def __call__(self, index: int) -> Callable[[P_contra], R_co]:
        """Make the work function."""


class Worker(Generic[P, R]):
    """One worker process, seen from within."""

    def __init__(self, connection: "Connection[object, object]") -> None:
        self._connection = connection

    def run(self, factory: WorkFactory[P, R], index: int) -> None:
        """Start, answer tasks, end."""
        try:
            work = factory(index)
        except Exception as error:
            self._connection.send(NotStarted(describe(error)))
            return
        self._connection.send(Started(os.getpid()))
        while True:
            message = self._connection.recv()
            match message:
                case Task(number, payload, asker):
                    request_id.set(asker)
                    self._connection.send(self._answer(work, number, payload))
                    request_id.set("")
                case Stop():
                    return
                case _:
                    raise TypeError(f"got {message!r}; expected Task or Stop")

    @staticmethod
    def _answer(work: Callable[[P], R], number: int, payload: P) -> Done[R] | Failed:
        try:
            return Done(number, work(payload))
        except AcornError as error:
            return Failed(number, error)
        except Exception as error:
            logger.exception("a network cannot be computed")
            return Failed(number, describe(error))


def worker_main(
    connection: "Connection[object, object]", factory: WorkFactory[P, R], index: int
) -> None:
    """Run one worker; the target of the process."""
    # Ctrl-C and a service manager signal the whole group; accepted work still has to finish, so
    # only the parent decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    try:
        Worker[P, R](connection).run(factory, index)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent closed the pipe or is gone


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def describe(error: BaseException) -> str:
    """One line that names an unforeseen exception."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
