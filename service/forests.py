"""The forests that the server answers with: all bundles of a folder that pass verification."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from models.datasets import DATASETS
from models.errors import AcornError, InputError, UnknownDatasetError, abbreviate
from models.feature_table import FeatureRow
from models.forests import Bundle
from models.spaces import SPACES, Architecture
from service.features import FeatureRecipe, FeatureTask
from service.problems import NotFoundError, ProblemItem, UnavailableError
from service.schemas import (
    ForestDetail,
    ForestInfo,
    ForestList,
    Importance,
    PredictRequest,
    RefusedForest,
)

logger = logging.getLogger(__name__)

UNIVERSAL = "universal"


class Forest:
    """A verified bundle, with what answering needs of it prepared."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.name = bundle.name
        self.targets = bundle.targets
        self.recipe = FeatureRecipe(bundle.table.settings, bundle.feature_names)
        self.key = self.recipe.key

    @property
    def example(self) -> FeatureTask:
        """A network to warm up with."""
        space = SPACES.get(self.bundle.space, next(iter(SPACES.values())))
        return FeatureTask(space.name, space.parse(space.example).canonical, self.recipe)

    def covers(self, space: str) -> bool:
        """Whether it predicts for a space."""
        return self.bundle.space in (space, UNIVERSAL)

    def table_rows(self, ids: Iterable[str]) -> dict[str, FeatureRow]:
        """Find the rows that came with the forest."""
        rows = ((id_, self.bundle.table.row(id_)) for id_ in ids)
        return {id_: row for id_, row in rows if row is not None}

    @property
    def info(self) -> ForestInfo:
        """What lists say of it."""
        return ForestInfo(
            name=self.bundle.name,
            version=self.bundle.version,
            space=self.bundle.space,
            dataset=self.bundle.dataset,
            targets=list(self.bundle.targets),
            features=len(self.bundle.feature_names),
            table_rows=len(self.bundle.table),
        )

    @property
    def detail(self) -> ForestDetail:
        """Everything there is to say of it."""
        return ForestDetail(
            **self.info.model_dump(),
            feature_names=list(self.bundle.feature_names),
            settings=self.bundle.settings,
            importances=self.importances(self.bundle.targets),
            manifest=self.bundle.manifest.model_dump(mode="json"),
        )

    def importances(
        self, targets: Sequence[str], *, most: int | None = None
    ) -> dict[str, list[Importance]]:
        """List the features' importances for each target, the ``most`` largest."""
        return {
            target: [
                Importance(feature=name, importance=value, std=std)
                for name, value, std in self.bundle.importances(target)[:most]
            ]
            for target in targets
        }


class Forests:
    """The forests by name, and the bundles that were refused."""

    def __init__(self, forests: Sequence[Forest], refused: Sequence[RefusedForest] = ()) -> None:
        self._forests = {forest.name: forest for forest in forests}
        self.refused = list(refused)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load every bundle of a folder; one that is bad is refused, and the others go on.

        Raises :class:`~models.errors.InputError` where there is no such folder.
        """
        forests, refused = [], []
        for path in cls.paths(folder):
            try:
                forests.append(Forest(Bundle.load(path)))
            except AcornError as error:
                logger.error("the bundle %s is refused: %s", path, error)
                refused.append(RefusedForest(name=path.name, reason=str(error)))
        return cls(forests, refused)

    @staticmethod
    def paths(folder: Path) -> list[Path]:
        """Find the bundles of a folder, in order of their names; raises as :meth:`load` does."""
        if not folder.is_dir():
            raise InputError(f"got {folder} as the forests folder; expected an existing folder")
        return sorted(
            path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
        )

    def __iter__(self) -> "Iterator[Forest]":
        """Go through the forests, by name."""
        return iter(self._forests.values())

    def get(self, name: str) -> Forest:
        """Find a forest; raises :class:`~service.problems.NotFoundError`."""
        try:
            return self._forests[name]
        except KeyError:
            raise NotFoundError(f"no forest {abbreviate(name)}; {self._offer()}") from None

    @property
    def listing(self) -> ForestList:
        """Forests and refused bundles."""
        return ForestList(forests=[forest.info for forest in self], refused=self.refused)

    def choose(
        self, request: PredictRequest, architectures: Mapping[int, Architecture]
    ) -> tuple[Forest | None, list[ProblemItem]]:
        """Find the forest for a request, or every reason why there is none.

        Raises :class:`~service.problems.UnavailableError` where there are no forests at all.
        """
        if not self._forests:
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

    def _find(self, space: str, dataset: str) -> Forest | None:
        """Find the forest of a space of its own, else the universal one."""
        forests = [forest for forest in self if forest.bundle.dataset == dataset]
        own = (forest for forest in forests if forest.bundle.space == space)
        return next(own, next((f for f in forests if f.covers(space)), None))

    def _offer(self) -> str:
        return f"expected one of {', '.join(self._forests)}" if self._forests else "there is none"

    def __len__(self) -> int:
        """Count the forests."""
        return len(self._forests)
