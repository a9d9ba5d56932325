"""An isolated process for the spaces that need another package, such as timm.

To parse a name of timm, a process has to import timm and torch, which takes seconds and hundreds of
megabytes. To compute the cost of a large network takes seconds more. A server therefore calls such
spaces in a process that starts with the first call. All other spaces are called directly.
"""

import atexit
import importlib.util
import multiprocessing
import threading
from collections.abc import Callable
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any

from acorn.datasets import Dataset
from acorn.errors import AcornError, abbreviate
from acorn.spaces import SPACES, Architecture, Cost, get_space
from service.errors import ComputationError, DeadlineError, UnavailableError
from service.workers.worker import describe, end_with_parent_only

LONGEST_SECONDS = 120.0
"""Time limit of one call."""

_context = multiprocessing.get_context("spawn")


class IsolatedProcess:
    """A process that calls methods of spaces and other functions; safe to use from any thread.

    It makes one call at a time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Connection[object, object] | None = None

    def ask(self, space: str, method: str, *args: object) -> Any:
        """Call a method of a space.

        Parameters
        ----------
        space : str
            Name of the space.
        method : str
            Name of the method.
        *args : object
            Arguments, which can be pickled.

        Returns
        -------
        object
            What the method returns.

        Raises
        ------
        AcornError
            What the method raises, or a description of an unexpected exception.
        DeadlineError
            If it takes longer than :data:`LONGEST_SECONDS`.
        UnavailableError
            If the process dies.
        """
        return self.call(space, _call_method, space, method, *args)

    def call(self, space: str, function: Callable[..., object], *args: object) -> Any:
        """Call a function; see :meth:`ask` for errors.

        Parameters
        ----------
        space : str
            Name of the space, for errors.
        function : callable
            A function of a module.
        *args : object
            Arguments, which can be pickled.

        Returns
        -------
        object
            What the function returns.
        """
        with self._lock:
            connection = self._connection or self._start()
            try:
                connection.send((function, args))
                if not connection.poll(LONGEST_SECONDS):
                    self._end()
                    raise DeadlineError(f"{space} took longer than {LONGEST_SECONDS:g} s")
                answer = connection.recv()
            except (EOFError, OSError):
                self._end()
                raise UnavailableError(f"the process for {space} died", retry_after=1) from None
        if isinstance(answer, AcornError):
            raise answer
        return answer

    def close(self) -> None:
        """End the process."""
        with self._lock:
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
            function, args = connection.recv()
        except EOFError:
            return
        try:
            answer = function(*args)
        except AcornError as error:
            answer = error
        except Exception as error:
            answer = ComputationError(describe(error))
        connection.send(answer)


def _call_method(space: str, method: str, *args: object) -> object:
    return getattr(get_space(space), method)(*args)


_process: IsolatedProcess | None = None


def start_isolated_process() -> IsolatedProcess:
    """From now on, call the spaces that need a package in an isolated process.

    Returns
    -------
    IsolatedProcess
        The same one for every call.
    """
    global _process
    if _process is None:
        _process = IsolatedProcess()
        atexit.register(_process.close)  # it ignores SIGTERM
    return _process


def is_isolated(space: object, spec: object) -> bool:
    """Whether calls of a space for an architecture may be too slow for the event loop."""
    return isinstance(space, str) and space in SPACES and not SPACES[space].recognises(spec)


def parse(space: str, spec: object) -> Architecture:
    """Parse a specification, in the isolated process if the space needs a package for it.

    Parameters
    ----------
    space : str
        Name of the space.
    spec : object
        The specification.

    Returns
    -------
    Architecture

    Raises
    ------
    InputError
        As :meth:`acorn.spaces.base.Space.parse` does.
    """
    owner = get_space(space)
    process = None if owner.recognises(spec) else _process_for(space)
    if process is None:
        return owner.parse(spec)
    if not isinstance(spec, str):  # not a name, and maybe large
        spec = abbreviate(spec)
    architecture: Architecture = process.ask(space, "parse", spec)
    return architecture


def cost(space: str, arch: str, dataset: Dataset) -> Cost:
    """Compute the cost of a network, in the isolated process if the space needs a package.

    Parameters
    ----------
    space : str
        Name of the space.
    arch : str
        The architecture in a form that the space parses.
    dataset : Dataset

    Returns
    -------
    Cost

    Raises
    ------
    InputError
        As :meth:`acorn.spaces.base.Space.cost` does.
    """
    process = _process_for(space)
    return get_space(space).cost(arch, dataset) if process is None else _cost(space, arch, dataset)


@lru_cache(maxsize=4_096)
def _cost(space: str, arch: str, dataset: Dataset) -> Cost:
    result: Cost = start_isolated_process().ask(space, "cost", arch, dataset)
    return result


def _process_for(space: str) -> IsolatedProcess | None:
    package = get_space(space).needs_package
    if _process is None or package is None or importlib.util.find_spec(package) is None:
        return None
    return _process
