"""One forest in service: a verified bundle, and what answering needs of it."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from acorn.features.table import FeatureRow
from acorn.forests import Bundle
from acorn.schemas.prediction import ForestDetail, ForestInfo, Importance
from acorn.spaces import SPACES, UNIVERSAL
from service.prediction.precomputed import Precomputed
from service.workers.feature_work import FeatureRecipe, FeatureTask


class Forest:
    """A verified bundle, with what answering needs of it prepared.

    Parameters
    ----------
    bundle
        The bundle.
    path
        Its folder.
    """

    def __init__(self, bundle: Bundle, path: Path) -> None:
        self.bundle = bundle
        self.path = path
        self.name = bundle.name
        self.full_name = f"{bundle.name}@{bundle.version}"
        self.digest = hashlib.sha256(bundle.manifest.to_bytes()).hexdigest()
        self.targets = bundle.targets
        self.recipe = FeatureRecipe(bundle.table.settings, bundle.feature_names)
        self.key = self.recipe.key
        self.precomputed = Precomputed(bundle)
        self._known_importances: dict[str, list[Importance]] = {}

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
            digest=self.digest,
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
        return {target: self._importances(target)[:most] for target in targets}

    def _importances(self, target: str) -> list[Importance]:
        if target not in self._known_importances:
            self._known_importances[target] = [
                Importance(feature=name, importance=value, std=std)
                for name, value, std in self.bundle.importances(target)
            ]
        return self._known_importances[target]
