"""Evaluates candidate architectures: a bundle's predictions, and the space's own cost formulas."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from acorn.datasets import Dataset
from acorn.errors import InputError
from acorn.features.feature_table import FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.forests import Bundle
from acorn.spaces import Cost, Space
from training.features.compute import compute_features
from training.nas.objectives import Objectives


class ArchitectureEvaluator:
    """Predicts the targets of architectures of one space, and counts their cost.

    Parameters
    ----------
    bundle : Bundle
        The trained bundle.
    space, dataset : Space, Dataset
        Space and dataset of the architectures.
    objectives : Objectives
        Says which targets to predict.
    interval : float
        Level of the intervals.
    store : pathlib.Path
        Feature table (Parquet) for features that the bundle's own table lacks; it is made if
        needed, and kept up to date.
    images, device, workers
        How missing features are computed: see :class:`~acorn.features.recipe.FeatureRecipe` and
        :func:`~training.features.compute.compute_features`.

    Raises
    ------
    UnknownTargetError
        For an objective that is neither a target of the bundle nor a cost.
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
        self._device = device
        self._workers = workers
        self._table = bundle.table
        if store.exists():
            self._table = FeatureTable.read(store).joined(self._table)
        self._recipe = FeatureRecipe(bundle.table.settings, bundle.feature_names, images)

    def has_features(self, canonical_forms: Sequence[str]) -> bool:
        """Whether the features of all of these architectures are in a table."""
        return all(self._id(canonical) in self._table for canonical in canonical_forms)

    def cost(self, canonical: str) -> Cost:
        """Size of a network; raises :class:`~acorn.errors.InputError` if it cannot be built."""
        return self._space.cost(canonical, self._dataset)

    def evaluate(
        self,
        canonical_forms: Sequence[str],
        *,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> pl.DataFrame:
        """Evaluate architectures; features that are in no table are computed and stored.

        Parameters
        ----------
        canonical_forms : sequence of str
            Canonical forms, each once.
        on_progress : callable, optional
            Called with (done, total) as features are computed.

        Returns
        -------
        polars.DataFrame
            One row for each architecture: ``arch``; for each target its value, ``.lower`` and
            ``.upper``; ``params`` and ``flops`` in millions; ``in_domain``; and ``seen``, whether
            the forest was trained on this architecture, whose label it mostly repeats.
        """
        self._compute_missing(canonical_forms, on_progress)
        ids = [self._id(canonical) for canonical in canonical_forms]
        X = self._table.matrix(self._bundle.feature_names, ids)
        predictions = self._bundle.predict(
            X, targets=list(self._targets.values()), interval=self._interval
        )
        columns: dict[str, object] = {"arch": list(canonical_forms)}
        for name, target in self._targets.items():
            value, lower, upper = predictions[target]
            columns |= {name: value, f"{name}.lower": lower, f"{name}.upper": upper}
        costs = [self.cost(canonical) for canonical in canonical_forms]
        columns["params"] = [cost.params for cost in costs]
        columns["flops"] = [cost.flops for cost in costs]
        columns["in_domain"] = self._bundle.outliers(X, ids)[0]
        columns["seen"] = self._bundle.training_set.contains(ids)
        return pl.DataFrame(columns)

    def _id(self, canonical: str) -> str:
        return f"{self._space.name}/{canonical}"

    def _compute_missing(
        self, canonical_forms: Sequence[str], on_progress: Callable[[int, int], None]
    ) -> None:
        missing = [form for form in canonical_forms if self._id(form) not in self._table]
        if not missing:
            return
        computed = compute_features(
            self._recipe,
            self._space.name,
            missing,
            self._store,
            device=self._device,
            workers=self._workers,
            on_progress=on_progress,
        )
        absent = set(self._bundle.feature_names) - set(computed.feature_names)
        if absent:
            raise InputError(
                f"the forest reads {len(absent)} features that architectures of "
                f"{self._space.name} do not have, {min(absent)} among them; expected a forest of "
                f"this space, or a universal one"
            )
        self._table = computed.joined(self._table)
