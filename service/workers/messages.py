"""What the pool and a worker process say to each other, over a pipe of their own."""

from dataclasses import dataclass
from typing import Generic, TypeVar

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Task(Generic[P]):
    """Pool to worker: work on one payload; logs name the request that asked for it first."""

    number: int
    payload: P
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Pool to worker: end."""


@dataclass(frozen=True, slots=True)
class Started:
    """Worker to pool: the work function stands; tasks are welcome."""

    pid: int


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Worker to pool: the work function could not be made; the process ends."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """Worker to pool: the result of a task, and the bytes that the worker holds after it."""

    number: int
    result: R
    held: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """Worker to pool: the work function raised; the worker goes on.

    ``error`` is the exception itself where it is one of Acorn's own, which all survive pickling,
    else a description.
    """

    number: int
    error: Exception | str
    held: int = 0
