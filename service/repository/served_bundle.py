"""A verified model bundle, with the information that answering requests needs."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from acorn.features.feature_table import FeatureRow
from acorn.features.recipe import FeatureRecipe
from acorn.forests import Bundle
from acorn.schemas.prediction import ForestDetail, ForestInfo, ForestName, Importance
from acorn.spaces import SPACES, UNIVERSAL
from service.prediction.precomputed import Precomputed
from service.workers.feature_work import FeatureTask


class ServedBundle:
    """A verified model bundle in service.

    Parameters
    ----------
    bundle : Bundle
        The verified bundle.
    path : Path
        Its folder.

    Attributes
    ----------
    name : str
        Name without version.
    full_name : str
        ``name@version``.
    digest : str
        SHA-256 of the manifest.
    targets : list of str
        Targets that it predicts.
    recipe : FeatureRecipe
        Features that it needs, and their settings.
    key : str
        Digest of the recipe.
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

    @property
    def answer_name(self) -> ForestName:
        """Name and version, as responses show them."""
        return ForestName(name=self.name, version=self.bundle.version)

    @property
    def age(self) -> tuple[Any, ...]:
        """Sort key from old to new; versions that do not follow PEP 440 come first."""
        created = self.bundle.manifest.created
        try:
            return True, Version(self.bundle.version), created
        except InvalidVersion:
            return False, Version("0"), created

    @property
    def example(self) -> FeatureTask:
        """A network to warm up workers with."""
        space = SPACES.get(self.bundle.space, next(iter(SPACES.values())))
        return FeatureTask(space.name, space.parse(space.example).canonical, self.recipe)

    def covers(self, space: str) -> bool:
        """Tell whether the bundle predicts for a space."""
        return self.bundle.space in (space, UNIVERSAL)

    def table_rows(self, ids: Iterable[str]) -> dict[str, FeatureRow]:
        """Look up feature rows in the bundle's table.

        Parameters
        ----------
        ids : iterable of str
            Canonical ids.

        Returns
        -------
        dict of str to FeatureRow
            The rows that the table has, by id.
        """
        rows = ((id_, self.bundle.table.row(id_)) for id_ in ids)
        return {id_: row for id_, row in rows if row is not None}

    @property
    def info(self) -> ForestInfo:
        """Summary for lists of bundles."""
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
        """The summary, with features, settings, importances and manifest."""
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
        """List feature importances, largest first.

        Parameters
        ----------
        targets : sequence of str
            Targets of the bundle.
        most : int, default=None
            Number of features to list per target; by default all.

        Returns
        -------
        dict of str to list of Importance
            By target.
        """
        return {
            target: [
                Importance(feature=name, importance=value, std=std)
                for name, value, std in self.bundle.importances(target)[:most]
            ]
            for target in targets
        }
