"""What spaces are asked, where that of others' code is kept in a process of its own.

To know what a name of timm stands for takes timm and torch, hundreds of megabytes and seconds; to
count what a large network costs takes seconds more, on the meta device, before anything is built.
A server therefore asks such spaces in a process that starts with the first question. All others
answer at once.
"""

import atexit
import importlib.util
import multiprocessing
import threading
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any

from acorn.datasets import Dataset
from acorn.errors import AcornError, abbreviate
from acorn.spaces import SPACES, Architecture, Cost, get_space
from service.errors import ComputationError, DeadlineError, UnavailableError
from service.workers.worker import describe, end_with_parent_only

LONGEST_SECONDS = 120.0

_context = multiprocessing.get_context("spawn")


class Helper:
    """A process that answers for spaces, one question after the other; for any thread."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._process: Any = None
        self._connection: Connection[object, object] | None = None

    def ask(self, space: str, method: str, *args: object) -> Any:
        """Call a method of a space.

        Raises
        ------
        AcornError
            What the method raises; of unforeseen errors a description.
        DeadlineError
            If it takes longer than :data:`LONGEST_SECONDS`.
        UnavailableError
            If the process dies over it.
        """
        with self._asking:
            connection = self._connection or self._start()
            try:
                connection.send((space, method, args))
                if not connection.poll(LONGEST_SECONDS):
                    self._end()
                    raise DeadlineError(f"{space} took longer than {LONGEST_SECONDS:g} s to say")
                answer = connection.recv()
            except (EOFError, OSError):
                self._end()
                raise UnavailableError(
                    f"the process that knows {space} died", retry_after=1
                ) from None
        if isinstance(answer, AcornError):
            raise answer
        return answer

    def close(self) -> None:
        """End the process."""
        with self._asking:
            self._end()

    def _start(self) -> "Connection[object, object]":
        ours, theirs = _context.Pipe()
        self._process = _context.Process(
            target=_main, args=(theirs,), name="acorn-spaces", daemon=True
        )
        self._process.start()
        theirs.close()
        self._connection = ours
        return ours

    def _end(self) -> None:
        if self._connection is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._connection = None


def _main(connection: "Connection[Any, Any]") -> None:
    end_with_parent_only()
    while True:
        try:
            space, method, args = connection.recv()
        except EOFError:
            return
        try:
            answer = getattr(get_space(space), method)(*args)
        except AcornError as error:
            answer = error
        except Exception as error:
            answer = ComputationError(describe(error))
        connection.send(answer)


_helper: Helper | None = None


def start_isolated_process() -> Helper:
    """Ask the spaces that need a package in an isolated process from now on."""
    global _helper
    if _helper is None:
        _helper = Helper()
        atexit.register(_helper.close)  # it does not end for a polite signal
    return _helper


def is_isolated(space: object) -> bool:
    """Whether to ask a space takes so long that the event loop should not wait for it."""
    return isinstance(space, str) and space in SPACES and bool(SPACES[space].needs_package)


def parse(space: str, spec: object) -> Architecture:
    """Read a specification; raises as :meth:`acorn.spaces.base.Space.parse` does."""
    helper = _helper_of(space)
    if helper is None:
        return get_space(space).parse(spec)
    if not isinstance(spec, str):  # it is no name, and may be large
        spec = abbreviate(spec)
    found: Architecture = helper.ask(space, "parse", spec)
    return found


def cost(space: str, arch: str, dataset: Dataset) -> Cost:
    """Count what a network costs; raises as :meth:`acorn.spaces.base.Space.cost` does."""
    helper = _helper_of(space)
    return get_space(space).cost(arch, dataset) if helper is None else _cost(space, arch, dataset)


@lru_cache(maxsize=4_096)
def _cost(space: str, arch: str, dataset: Dataset) -> Cost:
    found: Cost = start_isolated_process().ask(space, "cost", arch, dataset)
    return found


def _helper_of(space: str) -> Helper | None:
    package = get_space(space).needs_package
    if _helper is None or package is None or importlib.util.find_spec(package) is None:
        return None
    return _helper
