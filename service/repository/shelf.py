"""What a forests folder held when it was read: the forests by name and version, and the refused."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from acorn.datasets import DATASETS
from acorn.errors import AcornError, BundleError, InputError, UnknownDatasetError, abbreviate
from acorn.forests import Bundle
from acorn.schemas.prediction import ForestDetail, ForestList, PredictRequest, RefusedForest
from acorn.schemas.problems import ProblemItem
from acorn.spaces import Architecture
from service.errors import NotFoundError, UnavailableError
from service.repository.forest import Forest

logger = logging.getLogger(__name__)


class Shelf:
    """Forests and refused bundles; never changes.

    Parameters
    ----------
    forests
        No two of the same name and version.
    refused
        Bundles that did not pass verification.
    """

    def __init__(self, forests: Sequence[Forest], refused: Sequence[RefusedForest] = ()) -> None:
        ordered = sorted(forests, key=lambda forest: (forest.name, _age(forest)))
        self._all = {forest.full_name: forest for forest in ordered}
        self.newest = {forest.name: forest for forest in ordered}
        self.refused = list(refused)

    def __iter__(self) -> Iterator[Forest]:
        """Go through the forests, by name and from the oldest version to the newest."""
        return iter(self._all.values())

    def __contains__(self, forest: object) -> bool:
        """Whether this very forest is there."""
        return isinstance(forest, Forest) and self._all.get(forest.full_name) is forest

    def at(self, path: Path) -> Forest | None:
        """Find the forest that came from a folder."""
        return next((forest for forest in self if forest.path == path), None)

    def get(self, name: str) -> Forest:
        """Find a forest by name, or by ``name@version``.

        Raises :class:`~service.errors.NotFoundError`.
        """
        forest = self.newest.get(name) or self._all.get(name)
        if forest is None:
            raise NotFoundError(f"no forest {abbreviate(name)}; {self._offer()}")
        return forest

    def detail(self, name: str) -> ForestDetail:
        """Show a forest with all that its manifest says; raises as :meth:`get` does."""
        forest = self.get(name)
        return forest.detail.model_copy(update=self._place(forest))

    @property
    def listing(self) -> ForestList:
        """Forests and refused bundles."""
        infos = [forest.info.model_copy(update=self._place(forest)) for forest in self]
        return ForestList(forests=infos, refused=self.refused)

    def choose(
        self, request: PredictRequest, architectures: Mapping[int, Architecture]
    ) -> tuple[Forest | None, list[ProblemItem]]:
        """Find the forest for a request, or every reason why there is none.

        Raises :class:`~service.errors.UnavailableError` where there are no forests at all.
        """
        if not self._all:
            raise UnavailableError("no verified forest", retry_after=60)
        try:
            named = None if request.forest is None else self.get(request.forest)
        except NotFoundError as error:
            return None, [ProblemItem(pointer="/forest", detail=str(error))]
        errors = []
        dataset = request.dataset
        if named is not None and "dataset" not in request.model_fields_set:
            dataset = named.bundle.dataset
        elif dataset not in DATASETS:
            detail = str(UnknownDatasetError(dataset, DATASETS))
            return None, [ProblemItem(pointer="/dataset", detail=detail)]
        elif named is not None and dataset != named.bundle.dataset:
            detail = f"got {dataset}; expected {named.bundle.dataset}, the dataset of {named.name}"
            errors.append(ProblemItem(pointer="/dataset", detail=detail))
        chosen = named
        for index, architecture in architectures.items():
            forest = self._find(architecture.space, dataset) if named is None else named
            pointer = f"/architectures/{index}/space"
            if forest is None or not forest.covers(architecture.space):
                detail = f"no forest for {architecture.space} on {dataset}; {self._offer()}"
                errors.append(ProblemItem(pointer=pointer, detail=detail))
                continue
            chosen = chosen or forest
            if forest is not chosen:
                detail = (
                    f"got {architecture.space}, whose forest is {forest.name}; "
                    f"expected spaces of {chosen.name}, since one forest answers a request"
                )
                errors.append(ProblemItem(pointer=pointer, detail=detail))
        return chosen, errors

    def _place(self, forest: Forest) -> dict[str, bool]:
        return {"default": self.newest[forest.name] is forest}

    def _find(self, space: str, dataset: str) -> Forest | None:
        """Find the forest of a space of its own, else the universal one."""
        forests = [each for each in self.newest.values() if each.bundle.dataset == dataset]
        own = (forest for forest in forests if forest.bundle.space == space)
        return next(own, next((f for f in forests if f.covers(space)), None))

    def _offer(self) -> str:
        return f"expected one of {', '.join(self._all)}" if self._all else "there is none"


def read_shelf(folder: Path, before: Shelf | None = None) -> Shelf:
    """Load every bundle of a folder; one that is bad is refused, and the others go on.

    Parameters
    ----------
    folder
        Folder with one bundle a subfolder.
    before
        What the folder held at an earlier time: a bundle that is bad now leaves its place to the
        one that its folder held then, and a bundle that has not changed is not held twice.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    forests: dict[str, Forest] = {}
    bad: dict[Path, str] = {}
    for path in bundle_paths(folder):
        try:
            forest = Forest(Bundle.load(path), path)
            if (other := forests.get(forest.full_name)) is not None:
                raise BundleError(
                    f"it is {forest.full_name}, which {other.path.name} is already; "
                    "expected a version of its own"
                )
        except AcornError as error:
            bad[path] = str(error)
        else:
            forests[forest.full_name] = _same(before, forest) or forest
    refused = []
    for path, reason in bad.items():
        kept = None if before is None else before.at(path)
        if kept is not None and forests.setdefault(kept.full_name, kept) is not kept:
            kept = None
        goes_on = f"; {kept.full_name}, which it held before, goes on" if kept else ""
        logger.error("the bundle %s is refused: %s%s", path, reason, goes_on)
        serving = kept.full_name if kept else None
        refused.append(RefusedForest(name=path.name, reason=reason, serving=serving))
    return Shelf([*forests.values()], refused)


def bundle_paths(folder: Path) -> list[Path]:
    """Find the bundles of a folder, in order of their names; raises as :func:`read_shelf` does."""
    if not folder.is_dir():
        raise InputError(f"got {folder} as the forests folder; expected an existing folder")
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _same(before: Shelf | None, forest: Forest) -> Forest | None:
    """Find a forest of the same bytes and folder that is in service already."""
    known = None if before is None else before.at(forest.path)
    return known if known is not None and known.digest == forest.digest else None


def _age(forest: Forest) -> tuple[Any, ...]:
    """Sort versions from old to new; those that are no versions by any rule come first."""
    manifest = forest.bundle.manifest
    try:
        return True, Version(forest.bundle.version), manifest.created
    except InvalidVersion:
        return False, Version("0"), manifest.created
