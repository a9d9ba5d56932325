"""The work function as a worker applies it: made once, then called for one task after the other."""

import logging
import os
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from acorn.errors import AcornError
from service.observability.logs import request_id
from service.workers.memory import held_bytes
from service.workers.messages import Done, Failed, NotStarted, Started, Task

logger = logging.getLogger(__name__)

P = TypeVar("P")
R = TypeVar("R")
P_contra = TypeVar("P_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class WorkFactory(Protocol[P_contra, R_co]):
    """Makes the function that a worker applies to every payload; pickled to the worker.

    ``index`` is the worker's place in the pool, 0 to ``workers - 1``. It is called in the worker,
    so that whatever it imports stays out of the server.
    """

    def __call__(self, index: int) -> Callable[[P_contra], R_co]:
        """Make the work function."""


class Work(Generic[P, R]):
    """What a worker does, however it hears of its tasks."""

    def start(self, factory: WorkFactory[P, R], index: int) -> Started | NotStarted:
        """Make the work function."""
        try:
            self._function = factory(index)
        except Exception as error:
            return NotStarted(describe(error))
        return Started(os.getpid())

    def answer(self, task: Task[P]) -> Done[R] | Failed:
        """Do one task, under the name of the request that asked for it."""
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


def describe(error: BaseException) -> str:
    """One line that names an unforeseen exception."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
