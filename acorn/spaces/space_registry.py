"""The registered spaces by name: Acorn's own, those that a program registers, and plugins."""

import re
import threading
from collections.abc import Iterator, Mapping

from acorn.errors import InputError, abbreviate
from acorn.spaces.base import Space
from acorn.spaces.plugins import Plugin, find_plugins, named_plugins

UNIVERSAL = "universal"
"""Stands for a space in bundles that predict for architectures of any space."""

_RESERVED = (UNIVERSAL, "adv", "percent")  # the last two are marks of label tables
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_REQUIRED = ("name", "description", "example", "datasets")


class Registry(Mapping[str, Space]):
    """Spaces by name.

    Plugins are imported when the spaces are listed, or when a name is looked up that is not
    registered, so that the lookup of Acorn's own spaces needs no search for entry points.

    Attributes
    ----------
    plugins : dict of Plugin to list of str
        Plugins that have been loaded, with the names of their spaces.
    """

    def __init__(self) -> None:
        self.plugins: dict[Plugin, list[str]] = {}
        self._spaces: dict[str, Space] = {}
        self._loaded: tuple[str, ...] | None = None  # names for which plugins were loaded
        self._is_loading = False
        self._lock = threading.RLock()

    def load_plugins(self) -> None:
        """Load all plugins, unless this has been done; safe to call from any thread.

        Raises
        ------
        InputError
            If a plugin cannot be imported, something in it is no space, or a name is taken.
        """
        names = named_plugins()
        if names == self._loaded:
            return
        with self._lock:
            if self._is_loading or names == self._loaded:  # a plugin may look up spaces
                return
            self._is_loading = True
            try:
                for plugin in find_plugins():
                    self._load(plugin)
                self._loaded = names
            finally:
                self._is_loading = False

    def add(self, space: object) -> None:
        """Register a space; it replaces one of the same class and name.

        Parameters
        ----------
        space : object
            Expected to be an instance of :class:`~acorn.spaces.base.Space`.

        Raises
        ------
        InputError
            If it is no space, lacks an attribute, or its name is invalid or taken.
        """
        if not isinstance(space, Space):
            raise InputError(f"got {abbreviate(space)}; expected an instance of acorn.spaces.Space")
        missing = [attribute for attribute in _REQUIRED if not hasattr(space, attribute)]
        if missing:
            raise InputError(f"got a {type(space).__name__} without {', '.join(missing)}")
        if not isinstance(space.name, str) or not _NAME.fullmatch(space.name):
            raise InputError(
                f"got a space with the name {abbreviate(space.name)}; "
                "expected a letter, then letters, digits and underscores"
            )
        known = self._spaces.get(space.name)
        if space.name in _RESERVED or (known is not None and _path(known) != _path(space)):
            raise InputError(f"got a second space {space.name!r}; expected a name that is free")
        self._spaces[space.name] = space

    @property
    def plugin_spaces(self) -> list[str]:
        """Names of the spaces of all plugins."""
        self.load_plugins()
        return [name for names in self.plugins.values() for name in names]

    def _load(self, plugin: Plugin) -> None:
        names = []
        for space in plugin.load():
            try:
                self.add(space)
            except InputError as error:
                raise plugin.error(str(error)) from None
            names.append(space.name)
        self.plugins[plugin] = names

    def __getitem__(self, name: str) -> Space:
        if name not in self._spaces:
            self.load_plugins()
        return self._spaces[name]

    def __iter__(self) -> Iterator[str]:
        self.load_plugins()
        return iter([*self._spaces])

    def __len__(self) -> int:
        self.load_plugins()
        return len(self._spaces)


def _path(space: Space) -> tuple[str, str]:
    return type(space).__module__, type(space).__qualname__
