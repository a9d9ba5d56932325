"""The forests that the server answers with, and how they are replaced while it does.

Several versions of a forest may lie side by side, in folders of any name; requests get the newest,
or the one that they name as ``name@version``.
"""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from acorn.schemas.prediction import ForestDetail, ForestList, PredictRequest, Reload
from acorn.schemas.problems import ProblemItem
from acorn.spaces import Architecture
from service.repository.forest import Forest
from service.repository.shelf import Shelf, read_shelf

__all__ = ["Forest", "Forests"]


class Forests:
    """The forests in service.

    Reloading puts a whole new shelf in the place of the old one, so every method sees the one or
    the other, from whatever thread.

    Parameters
    ----------
    folder
        Folder with one bundle a subfolder.
    shelf
        What it had when it was read.
    """

    def __init__(self, folder: Path, shelf: Shelf) -> None:
        self._folder = folder
        self._shelf = shelf
        self._reloading = threading.Lock()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load every bundle of a folder; one that is bad is refused, and the others go on.

        Raises :class:`~acorn.errors.InputError` where there is no such folder.
        """
        return cls(folder, read_shelf(folder))

    def reload(self) -> Reload:
        """Read the folder anew.

        A bundle that is bad now is refused; what its folder had before goes on. Requests under way
        keep the forest that they began with. Raises as :meth:`load` does; then all stays as it was.
        """
        with self._reloading:
            before = self._shelf
            self._shelf = after = read_shelf(self._folder, before)
        return Reload(
            **after.listing.model_dump(),
            added=[each.full_name for each in after if each not in before],
            removed=[each.full_name for each in before if each not in after],
        )

    def __iter__(self) -> Iterator[Forest]:
        """Go through the forests, by name and from the oldest version to the newest."""
        return iter(self._shelf)

    @property
    def newest(self) -> list[Forest]:
        """The newest version of each forest, by name."""
        return list(self._shelf.newest.values())

    @property
    def listing(self) -> ForestList:
        """Forests and refused bundles."""
        return self._shelf.listing

    def detail(self, name: str) -> ForestDetail:
        """Show a forest as :meth:`Shelf.detail` does."""
        return self._shelf.detail(name)

    def get(self, name: str) -> Forest:
        """Find a forest as :meth:`Shelf.get` does."""
        return self._shelf.get(name)

    def choose(
        self, request: PredictRequest, architectures: Mapping[int, Architecture]
    ) -> tuple[Forest | None, list[ProblemItem]]:
        """Choose a forest as :meth:`Shelf.choose` does."""
        return self._shelf.choose(request, architectures)
