"""Spaces of the user's own packages, found by entry point or by the name of their module.

Whoever runs a process names its plugins: by installing a distribution with entry points of the
group ``acorn.spaces``, or by the environment variable ``ACORN_PLUGINS``, which child processes
inherit. Requests cannot name plugins.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from types import ModuleType

from acorn.errors import InputError, abbreviate, one_line
from acorn.spaces.base import Space

GROUP = "acorn.spaces"
"""Group of the entry points."""

VARIABLE = "ACORN_PLUGINS"
"""Environment variable with names of modules, separated by commas."""

LISTED = "SPACES"
"""Attribute of a module that lists its spaces; by default they are all that it defines."""

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_EXPECTED = "expected a subclass of acorn.spaces.Space or an instance of one"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A module or an object that defines spaces.

    Attributes
    ----------
    name : str
        Module, or module and object of an entry point: ``my_package.my_module:MySpace``.
    source : str
        ``ACORN_PLUGINS``, or name and version of the distribution of the entry point.
    """

    name: str
    source: str

    def load(self) -> list[Space]:
        """Import the plugin, and make its spaces.

        Returns
        -------
        list of Space
            At least one.

        Raises
        ------
        InputError
            If it cannot be imported, or something in it is no space.
        """
        try:
            target = EntryPoint(self.name, self.name, GROUP).load()
        except Exception as error:  # a user's module raises errors of any class
            raise self.error(
                f"cannot be imported ({one_line(error)}); expected a module on Python's path"
            ) from error
        members = [*_members(target)] if isinstance(target, ModuleType) else target
        if not isinstance(members, list | tuple):
            members = [members]
        if not members:
            raise self.error("defines no space; " + _EXPECTED)
        return [self._space(member) for member in members]

    def error(self, problem: str) -> InputError:
        """Make the error of this plugin; the message is one line."""
        return InputError(f"plugin {self.name} ({self.source}): {' '.join(problem.split())}")

    def _space(self, member: object) -> Space:
        if isinstance(member, Space):
            return member
        if not (isinstance(member, type) and issubclass(member, Space)):
            raise self.error(f"got {abbreviate(member)}; {_EXPECTED}")
        try:
            return member()
        except Exception as error:
            raise self.error(
                f"{member.__qualname__} cannot be created ({one_line(error)}); expected a class "
                f"that needs no arguments, or an instance"
            ) from error


def named_plugins() -> tuple[str, ...]:
    """List the modules that the environment variable names.

    Returns
    -------
    tuple of str
        Names of modules, each once.
    """
    names = map(str.strip, os.environ.get(VARIABLE, "").split(","))
    return tuple(dict.fromkeys(filter(None, names)))


def name_plugins(names: Iterable[str]) -> None:
    """Name the plugins of this process, and of processes that it starts.

    Parameters
    ----------
    names : iterable of str
        Names of modules; they replace those of the environment variable. If there are none, the
        variable stays as it is.
    """
    if text := ",".join(names):
        os.environ[VARIABLE] = text


def find_plugins() -> Iterator[Plugin]:
    """Find the plugins that are installed or named, without importing them.

    Yields
    ------
    Plugin
        Entry points by name, then the modules of the environment variable.

    Raises
    ------
    InputError
        If a text is no name of a module.
    """
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        source = f"{point.dist.name} {point.dist.version}" if point.dist else "entry point"
        yield Plugin(point.value, source)
    for name in named_plugins():
        if not _NAME.fullmatch(name):
            raise InputError(
                f"got the plugin {abbreviate(name)}; expected a module such as my_package.my_module"
            )
        yield Plugin(name, VARIABLE)


def _members(module: ModuleType) -> Iterator[object]:
    """List the spaces of a module: those of its list, else all instances and classes it defines."""
    listed = getattr(module, LISTED, None)
    if isinstance(listed, list | tuple):
        yield from listed
        return
    values = [*vars(module).values()]
    spaces = [value for value in values if isinstance(value, Space) and _is_of(type(value), module)]
    yield from spaces
    instantiated = {type(space) for space in spaces}
    classes = [
        v for v in values if isinstance(v, type) and issubclass(v, Space) and _is_of(v, module)
    ]
    concrete = [cls for cls in classes if not isabstract(cls)]
    if classes and not concrete and not spaces:
        concrete = classes  # the error names the methods that they lack
    yield from (cls for cls in dict.fromkeys(concrete) if cls not in instantiated)


def _is_of(cls: type, module: ModuleType) -> bool:
    return f"{cls.__module__}.".startswith(f"{module.__name__}.")
