"""A verified model bundle, with the information that answering requests needs."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version
from pydantic import TypeAdapter

from acorn.datasets import get_dataset
from acorn.explanations import Neighbourhood, ProxyPercentiles
from acorn.features.descriptions import describe
from acorn.features.recipe import FeatureRecipe
from acorn.forests import Bundle
from acorn.schemas.prediction import (
    FeatureDetail,
    ForestDetail,
    ForestInfo,
    ForestName,
    Importance,
    TargetDetail,
)
from acorn.spaces import SPACES, UNIVERSAL, recognise_ids
from service.prediction.responses.precomputed import Precomputed
from service.workers.feature_work import FeatureTask

_FEATURE_DETAILS = TypeAdapter(dict[str, FeatureDetail])


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
        self.recipe = FeatureRecipe(bundle.table.settings, bundle.network_features)
        self.key = self.recipe.key
        self.precomputed = Precomputed(bundle)
        self.neighbourhood = Neighbourhood(bundle)
        self.proxy_percentiles = ProxyPercentiles(bundle.table)
        recognise_ids(bundle.table.ids)

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
    def is_extra(self) -> bool:
        """Whether requests have to name the bundle if its space and dataset have another one."""
        return self.name != f"{self.bundle.space}-{self.bundle.dataset}"

    @property
    def example(self) -> FeatureTask:
        """A network to warm up workers with."""
        covered = (space for name, space in SPACES.items() if self.covers(name))
        first = next(iter(SPACES.values()))
        space = min(covered, key=lambda space: space.needs_package is not None, default=first)
        return FeatureTask(space.name, space.parse(space.example).canonical, self.recipe)

    def covers(self, space: str) -> bool:
        """Tell whether the bundle predicts for a space."""
        if self.bundle.space == UNIVERSAL:
            return space in SPACES and SPACES[space].takes(get_dataset(self.bundle.dataset))
        return self.bundle.space == space

    @cached_property
    def table_spaces(self) -> list[str]:
        """Spaces of the architectures in the bundle's table, sorted."""
        return sorted({id_.partition("/")[0] for id_ in self.bundle.table.ids} & {*SPACES})

    def target_details(self, targets: Iterable[str]) -> dict[str, TargetDetail]:
        """Describe targets of the bundle, by the names given."""
        return {target: TargetDetail.of(self.bundle.describe(target)) for target in targets}

    @property
    def info(self) -> ForestInfo:
        """Summary for lists of bundles."""
        return ForestInfo(
            name=self.bundle.name,
            version=self.bundle.version,
            space=self.bundle.space,
            dataset=self.bundle.dataset,
            targets=list(self.bundle.targets),
            target_details=self.target_details(self.bundle.targets),
            features=len(self.bundle.feature_names),
            table_rows=len(self.bundle.table),
            table_spaces=self.table_spaces,
            conditions=list(self.bundle.conditions),
            digest=self.digest,
        )

    @property
    def detail(self) -> ForestDetail:
        """The summary, with features, settings, importances and manifest."""
        return ForestDetail(
            **self.info.model_dump(),
            feature_names=list(self.bundle.feature_names),
            feature_details=self.feature_details,
            settings=self.bundle.settings,
            importances=self.importances(self.bundle.targets),
            manifest=self.bundle.manifest.model_dump(mode="json"),
        )

    @cached_property
    def feature_details(self) -> dict[str, FeatureDetail]:
        """What each feature is, in the order of the bundle, and each other proxy of its table."""
        return {
            name: FeatureDetail(title=column.title, text=column.text, group=column.group)
            for name in dict.fromkeys((*self.bundle.feature_names, *self.proxy_percentiles.names))
            for column in [describe(name)]
        }

    @cached_property
    def feature_details_json(self) -> bytes:
        """The same as a JSON object."""
        return _FEATURE_DETAILS.dump_json(self.feature_details)

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
