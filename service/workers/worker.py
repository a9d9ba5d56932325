"""The life of a worker process: make the work function once, then answer tasks until told to end.

A worker outlives nothing: it ends when the pipe closes and, should it be busy just then, when a
watching thread sees that the parent process is gone.
"""

import os
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import TypeVar

from service.workers.messages import NotStarted, Stop, Task
from service.workers.work import Work, WorkFactory

P = TypeVar("P")
R = TypeVar("R")


def worker_main(
    connection: "Connection[object, object]", factory: WorkFactory[P, R], index: int
) -> None:
    """Run one worker; the target of the process."""
    live_as_child()
    try:
        _run(connection, Work[P, R](), factory, index)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent closed the pipe or is gone


def live_as_child() -> None:
    """Let nobody but the parent end this process, and end with it."""
    # Ctrl-C and a service manager signal the whole group; accepted work still has to finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()


def _run(
    connection: "Connection[object, object]",
    work: Work[P, R],
    factory: WorkFactory[P, R],
    index: int,
) -> None:
    said = work.start(factory, index)
    connection.send(said)
    while not isinstance(said, NotStarted):
        match connection.recv():
            case Task() as task:
                connection.send(work.answer(task))
            case Stop():
                return
            case other:
                raise TypeError(f"got {other!r}; expected Task or Stop")


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
