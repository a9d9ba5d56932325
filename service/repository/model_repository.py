"""The model repository: all bundles of a folder, replaced as a whole at run time."""

import hashlib
import logging
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import acorn
from acorn.datasets import get_dataset
from acorn.errors import AcornError, BundleError, InputError, UnknownDatasetError, abbreviate
from acorn.features.code_version import code_version
from acorn.features.proxy_settings import ENGINE_VERSION
from acorn.forests import Bundle
from acorn.schemas.prediction import ForestDetail, ForestList, PredictRequest, RefusedForest, Reload
from acorn.schemas.problems import ProblemItem
from acorn.spaces import SPACES, UNIVERSAL, Architecture
from service.errors import NotFoundError, UnavailableError
from service.repository.served_bundle import ServedBundle

logger = logging.getLogger(__name__)


class Snapshot:
    """The bundles of a folder at the time it was read. It never changes.

    Several versions of one bundle may be in service. Requests get the newest, or the one that they
    name as ``name@version``. Iteration goes by name, and from the oldest version to the newest. Of
    several bundles of a space and dataset, the one named ``<space>-<dataset>`` comes first and
    answers requests that name none.

    Parameters
    ----------
    bundles : sequence of ServedBundle
        Verified bundles; no two have the same name and version.
    refused : sequence of RefusedForest, default=()
        Bundles that did not pass verification.

    Attributes
    ----------
    newest : dict of str to ServedBundle
        The newest version of each bundle, by name.
    refused : list of RefusedForest
    """

    def __init__(
        self, bundles: Sequence[ServedBundle], refused: Sequence[RefusedForest] = ()
    ) -> None:
        ordered = sorted(bundles, key=lambda served: (served.is_extra, served.name, served.age))
        self._by_full_name = {served.full_name: served for served in ordered}
        self.newest = {served.name: served for served in ordered}
        self.refused = list(refused)

    def __iter__(self) -> Iterator[ServedBundle]:
        return iter(self._by_full_name.values())

    def __contains__(self, served: object) -> bool:
        return any(served is member for member in self)

    def at(self, path: Path) -> ServedBundle | None:
        """Find the bundle that was loaded from a folder."""
        return next((served for served in self if served.path == path), None)

    def get(self, name: str) -> ServedBundle:
        """Find a bundle.

        Parameters
        ----------
        name : str
            Name of the bundle, or ``name@version``.

        Returns
        -------
        ServedBundle

        Raises
        ------
        NotFoundError
            If there is no such bundle.
        """
        served = self.newest.get(name) or self._by_full_name.get(name)
        if served is None:
            raise NotFoundError(f"no forest {abbreviate(name)}; {self._expected()}")
        return served

    def detail(self, name: str) -> ForestDetail:
        """Show a bundle with its manifest; see :meth:`get` for parameters and errors."""
        served = self.get(name)
        return served.detail.model_copy(update=self._is_default(served))

    @property
    def listing(self) -> ForestList:
        """Summaries of all bundles, and the refused ones."""
        infos = [served.info.model_copy(update=self._is_default(served)) for served in self]
        return ForestList(forests=infos, refused=self.refused)

    def choose(
        self, request: PredictRequest, architectures: Mapping[int, Architecture]
    ) -> tuple[ServedBundle | None, list[ProblemItem]]:
        """Choose the bundle that answers a request.

        Parameters
        ----------
        request : PredictRequest
            May name a bundle and a dataset.
        architectures : mapping of int to Architecture
            The valid architectures of the request, by position.

        Returns
        -------
        served : ServedBundle or None
            The bundle.
        errors : list of ProblemItem
            Every reason why the bundle cannot answer the request.

        Raises
        ------
        UnavailableError
            If no bundle is in service.
        """
        if not self._by_full_name:
            raise UnavailableError("no verified forest", retry_after=60)
        try:
            named = None if request.forest is None else self.get(request.forest)
        except NotFoundError as error:
            return None, [ProblemItem(pointer="/forest", detail=str(error))]
        errors = []
        dataset = request.dataset
        try:
            if dataset is not None:
                get_dataset(dataset)
        except UnknownDatasetError as error:
            return None, [ProblemItem(pointer="/dataset", detail=str(error))]
        if named is not None and dataset not in (None, named.bundle.dataset):
            detail = f"got {dataset}; expected {named.bundle.dataset}, the dataset of {named.name}"
            errors.append(ProblemItem(pointer="/dataset", detail=detail))
        chosen = named
        spaces = {architecture.space for architecture in architectures.values()}
        by_space = {space: named or self._for_space(space, dataset) for space in spaces}
        for index, architecture in architectures.items():
            served = by_space[architecture.space]
            pointer = f"/architectures/{index}/space"
            if served is None or not served.covers(architecture.space):
                subject = " on ".join(filter(None, (architecture.space, dataset)))
                detail = f"no forest for {subject}; {self._expected()}"
                errors.append(ProblemItem(pointer=pointer, detail=detail))
                continue
            chosen = chosen or served
            if served is not chosen:
                detail = (
                    f"got {architecture.space}, whose forest is {served.name}; "
                    f"expected spaces of {chosen.name}, since one forest answers a request"
                )
                errors.append(ProblemItem(pointer=pointer, detail=detail))
        return chosen, errors

    @property
    def unranked(self) -> list[tuple[str, str]]:
        """Plugin spaces, with datasets, that only a reference population of other spaces ranks."""
        covered = {(served.bundle.space, served.bundle.dataset) for served in self}
        references = [
            served
            for served in self.newest.values()
            if served.bundle.space == UNIVERSAL and served.bundle.manifest.ranks
        ]
        return [
            (space, served.bundle.dataset)
            for served in references
            for space in SPACES.plugin_spaces
            if served.covers(space) and (space, served.bundle.dataset) not in covered
        ]

    def _is_default(self, served: ServedBundle) -> dict[str, bool]:
        return {"default": self.newest[served.name] is served}

    def _for_space(self, space: str, dataset: str | None) -> ServedBundle | None:
        """Find the bundle of the space itself, else the universal one.

        Without a dataset, that of the first dataset of the space that has one.
        """
        suitable = [
            served
            for served in self.newest.values()
            if dataset in (None, served.bundle.dataset) and served.covers(space)
        ]
        place = {name: number for number, name in enumerate(SPACES[space].datasets)}
        return min(
            suitable,
            key=lambda served: (
                place.get(served.bundle.dataset, len(place)),
                served.bundle.space != space,
            ),
            default=None,
        )

    def _expected(self) -> str:
        names = ", ".join(self._by_full_name)
        return f"expected one of {names}" if names else "there is none"


class ModelRepository:
    """The bundles in service.

    A reload replaces the snapshot as a whole, so that readers in any thread see the old bundles or
    the new ones, never a mixture.

    Parameters
    ----------
    folder : Path
        Folder with one bundle in each subfolder. A bundle that does not pass verification is
        refused, and the others are served.
    ranks : Path, default=None
        Folder of bundles that rank plugin spaces, see :func:`ranks_path`. They serve the spaces and
        datasets that ``folder`` has no bundle of.

    Attributes
    ----------
    ranks : Path or None
        As given.
    snapshot : Snapshot
        The bundles as of the last load or reload.

    Raises
    ------
    InputError
        If the folder does not exist, or a plugin cannot be used.
    """

    def __init__(self, folder: Path, ranks: Path | None = None) -> None:
        SPACES.load_plugins()  # else the error of a plugin would be taken for one of a bundle
        self._folder = folder
        self._reloading = threading.Lock()
        self.ranks = ranks
        self.snapshot = _read(folder, ranks, Snapshot([]))

    def reload(self) -> Reload:
        """Read the folder again.

        If a bundle has become invalid, it is refused, and the one that its folder held before stays
        in service. Requests in progress keep the bundle that they started with.

        Returns
        -------
        Reload
            All bundles, and what was added and removed.

        Raises
        ------
        InputError
            If the folder does not exist; nothing changes then.
        """
        with self._reloading:
            before = self.snapshot
            self.snapshot = after = _read(self._folder, self.ranks, before)
        return Reload(
            **after.listing.model_dump(),
            added=[served.full_name for served in after if served not in before],
            removed=[served.full_name for served in before if served not in after],
        )


def bundle_paths(folder: Path) -> list[Path]:
    """List the bundles of a folder, sorted by name.

    Parameters
    ----------
    folder : Path
        Folder with one bundle in each subfolder.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If the folder does not exist.
    """
    if not folder.is_dir():
        raise InputError(f"got {folder} as the forests folder; expected an existing folder")
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def ranks_path(folder: Path, space: str, dataset: str) -> Path:
    """Find where the bundle is kept that ranks a space among its sampled members.

    Parameters
    ----------
    folder : Path
        Folder of all such bundles.
    space, dataset : str
        Names.

    Returns
    -------
    Path
        Another one after the code of the space or of Acorn has changed.
    """
    versions = f"{acorn.__version__} {ENGINE_VERSION} {code_version(space)}"
    digest = hashlib.sha256(versions.encode()).hexdigest()[:16]
    return folder / digest / f"{space}-{dataset}"


def _rank_paths(folder: Path | None, covered: Collection[tuple[str, str]]) -> list[Path]:
    """List the kept rank bundles of plugin spaces and datasets that have no other bundle."""
    if folder is None or not folder.is_dir():
        return []
    pairs = [(space, name) for space in SPACES.plugin_spaces for name in SPACES[space].datasets]
    paths = [ranks_path(folder, *pair) for pair in pairs if pair not in covered]
    return [path for path in paths if path.is_dir()]


def _read(folder: Path, ranks: Path | None, before: Snapshot) -> Snapshot:
    """Load all bundles of a folder, and rank bundles of plugin spaces that have none there.

    A bundle of ``before`` stays in service if its folder is unchanged or has become invalid.
    """
    bundles: dict[str, ServedBundle] = {}
    reasons: dict[Path, str] = {}
    _load(bundle_paths(folder), before, bundles, reasons)
    covered = {(served.bundle.space, served.bundle.dataset) for served in bundles.values()}
    _load(_rank_paths(ranks, covered), before, bundles, reasons)
    refused = []
    for path, reason in reasons.items():
        former = before.at(path)
        if former is not None and bundles.setdefault(former.full_name, former) is not former:
            former = None
        serving = former.full_name if former else None
        suffix = f"; {serving}, which it held before, stays in service" if serving else ""
        logger.error("the bundle %s is refused: %s%s", path, reason, suffix)
        refused.append(RefusedForest(name=path.name, reason=reason, serving=serving))
    return Snapshot([*bundles.values()], refused)


def _load(
    paths: Iterable[Path],
    before: Snapshot,
    bundles: dict[str, ServedBundle],
    reasons: dict[Path, str],
) -> None:
    """Load bundles, or the reasons why they are refused."""
    for path in paths:
        previous = before.at(path)
        try:
            served = ServedBundle(Bundle.load(path), path)
            if (other := bundles.get(served.full_name)) is not None:
                raise BundleError(
                    f"it is {served.full_name}, which {other.path.name} is already; "
                    "expected a version of its own"
                )
        except AcornError as error:
            reasons[path] = str(error)
            continue
        if previous is not None and previous.digest == served.digest:
            served = previous
        bundles[served.full_name] = served
