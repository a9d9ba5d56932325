"""What a forest and the space's own arithmetic say of architectures that a search considers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from acorn.datasets import Dataset
from acorn.errors import InputError
from acorn.features.settings import ProxySettings
from acorn.features.table import FeatureTable, check_settings
from acorn.forests import Bundle
from acorn.proxies import list_proxies
from acorn.spaces import Cost, Space
from training.features.compute import Recipe, compute_features, extractor
from training.nas.objectives import Objectives


class ArchitectureEvaluator:
    """Predicts, bounds and costs functions of one space.

    Parameters
    ----------
    bundle
        The forests.
    space, dataset
        Of the architectures.
    objectives
        Which targets to predict.
    interval
        Level of the intervals.
    store
        Feature table (Parquet) for what the bundle's own table lacks; made and kept up to date.
    images, device, workers
        With what missing features are computed, see :class:`~training.features.compute.Recipe`.

    Raises
    ------
    UnknownTargetError
        For an objective that is neither a target of the bundle nor one of :data:`COSTS`.
    MismatchError
        If ``store`` holds features of other settings than the bundle's.
    """

    def __init__(
        self,
        bundle: Bundle,
        space: Space,
        dataset: Dataset,
        objectives: Objectives,
        *,
        interval: float,
        store: Path,
        images: str | None = None,
        device: str = "auto",
        workers: int = 0,
    ) -> None:
        self._bundle = bundle
        self._space = space
        self._dataset = dataset
        self._targets = {name: bundle.target(name) for name in objectives.targets}
        self._interval = interval
        self._store = store
        self._workers = workers
        self._table = bundle.table
        if store.exists():
            self._table = FeatureTable.read(store).joined(self._table)
        proxies = tuple(sorted(set(bundle.feature_names) & set(list_proxies())))
        settings = ProxySettings(**bundle.settings)
        self._settings = settings
        self._recipe = Recipe(
            space.name,
            dataset.name,
            proxies,
            images,
            settings.batch_size,
            settings.seed,
            device,
        )

    def has_features(self, canonicals: Sequence[str]) -> bool:
        """Whether features of all of these are at hand."""
        return all(self._id(each) in self._table for each in canonicals)

    def cost(self, canonical: str) -> Cost:
        """Size of a network; raises :class:`~acorn.errors.InputError` where it has none."""
        return self._space.cost(canonical, self._dataset)

    def evaluate(
        self,
        canonicals: Sequence[str],
        *,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> pl.DataFrame:
        """ArchitectureEvaluator functions; features that are not at hand are computed and kept.

        Returns
        -------
        polars.DataFrame
            One row each: ``arch``; for each target its value, ``.lower`` and ``.upper``;
            ``params`` and ``flops`` in millions; ``in_domain``; and ``seen``, whether the forest
            learned from this function, of which it mostly repeats the label.
        """
        self._complete(canonicals, on_progress)
        ids = [self._id(each) for each in canonicals]
        X = self._table.matrix(self._bundle.feature_names, ids)
        columns: dict[str, object] = {"arch": list(canonicals)}
        predicted = self._bundle.predict(
            X, targets=list(self._targets.values()), interval=self._interval
        )
        for name, target in self._targets.items():
            value, lower, upper = predicted[target]
            columns |= {name: value, f"{name}.lower": lower, f"{name}.upper": upper}
        costs = [self.cost(each) for each in canonicals]
        columns["params"] = [cost.params for cost in costs]
        columns["flops"] = [cost.flops for cost in costs]
        columns["in_domain"] = self._bundle.outliers(X, ids)[0]
        columns["seen"] = self._bundle.training_set.contains(ids)
        return pl.DataFrame(columns)

    def _id(self, canonical: str) -> str:
        return f"{self._space.name}/{canonical}"

    def _complete(self, canonicals: Sequence[str], on_progress: Callable[[int, int], None]) -> None:
        missing = [each for each in canonicals if self._id(each) not in self._table]
        if not missing:
            return
        check_settings(self._settings, extractor(self._recipe).settings)
        computed = compute_features(
            self._recipe, missing, self._store, workers=self._workers, on_progress=on_progress
        )
        absent = set(self._bundle.feature_names) - set(computed.feature_names)
        if absent:
            raise InputError(
                f"the forest reads {len(absent)} features that architectures of "
                f"{self._space.name} do not have, {min(absent)} among them; expected a forest of "
                f"this space, or a universal one"
            )
        self._table = computed.joined(self._table)
