"""Evaluates candidate architectures: a bundle's predictions, and the space's own cost formulas.

Features that no table has are computed on this machine. :mod:`acorn.nas.candidates` says what a
candidate is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

import polars as pl

from acorn.conditions import IMAGE_SIZE
from acorn.datasets import get_dataset
from acorn.errors import InputError
from acorn.features.feature_table import FeatureTable, split_row_id
from acorn.features.recipe import FeatureRecipe
from acorn.forests import Bundle
from acorn.nas.candidates import find_candidates, table_cost
from acorn.nas.objectives import Objectives
from acorn.spaces import Cost, Space, recognise_ids
from training.features.compute import compute_features
from training.features.parallel import OnProgress, no_progress


@dataclass
class ArchitectureEvaluator:
    """Predicts the targets of architectures of one space, and counts their cost.

    Parameters
    ----------
    bundle : Bundle
        The trained bundle.
    space : Space
        Space of the architectures.
    objectives : Objectives
        Gives the targets to predict.
    conditions : mapping of str to int, float or str, optional
        Conditions of all candidates; by default those of the bundle.
    interval : float
        Level of the intervals.
    store : pathlib.Path
        Feature table (Parquet) for features that the bundle's own table lacks; it is made if
        needed, and kept up to date.
    images : str, optional
        Source of the images with which missing features are computed; by default the embedded
        batch.
    device, workers
        As in :func:`~training.features.compute.compute_features`.

    Raises
    ------
    InputError
        For an objective that is neither a target of the bundle nor a cost, or for a condition that
        the bundle does not have.
    MismatchError
        If ``store`` holds features of other settings than the bundle's.
    """

    bundle: Bundle
    space: Space
    objectives: Objectives
    _: KW_ONLY
    conditions: Mapping[str, int | float | str] = field(default_factory=dict)
    interval: float
    store: Path
    images: str | None = None
    device: str = "auto"
    workers: int = 0

    def __post_init__(self) -> None:
        self._dataset = get_dataset(self.bundle.dataset)
        self._targets = {name: self.bundle.target(name) for name in self.objectives.targets}
        self._table = self.bundle.table
        if self.store.exists():
            self._table = FeatureTable.read(self.store).joined(self._table)
        self.bundle.resolve(self.conditions)
        recognise_ids(self._table.ids)

    def candidates(self, evaluations: int) -> list[str] | None:
        """List the candidates; see :func:`~acorn.nas.candidates.find_candidates`."""
        return find_candidates(self.bundle, self.space, self.conditions, evaluations, self._table)

    def cost(self, candidate: str) -> Cost:
        """Size of a network.

        Parameters
        ----------
        candidate : str
            Candidate.

        Returns
        -------
        Cost

        Raises
        ------
        InputError
            If the network cannot be built.
        """
        form, size = split_row_id(candidate)
        in_table = table_cost(self.space, self._table, self._row_id(candidate))
        return in_table or self.space.cost(form, self._dataset.at(size))

    def evaluate(
        self, candidates: Sequence[str], *, on_progress: OnProgress = no_progress
    ) -> pl.DataFrame:
        """Evaluate architectures; features that are in no table are computed and stored.

        Parameters
        ----------
        candidates : sequence of str
            Candidates, each once.
        on_progress : callable, optional
            Called with (done, total) as features are computed.

        Returns
        -------
        polars.DataFrame
            One row for each candidate: ``arch``, the canonical form; the conditions, if the bundle
            has some; for each target its value, ``.lower`` and ``.upper``; ``params`` and
            ``flops`` in millions; ``in_domain``; and ``seen``, whether the forest was trained on
            this architecture, whose label it mostly repeats.
        """
        self._compute_missing(candidates, on_progress)
        conditions = [self._conditions_of(candidate) for candidate in candidates]
        archs = [split_row_id(candidate)[0] for candidate in candidates]
        ids = [f"{self.space.name}/{arch}" for arch in archs]
        X = self.bundle.table_matrix(
            [self._row_id(candidate) for candidate in candidates], conditions, table=self._table
        )
        predictions = self.bundle.predict(
            X, targets=list(self._targets.values()), interval=self.interval
        )
        columns: dict[str, object] = {"arch": archs}
        for condition in self.bundle.conditions:
            columns[condition.name] = [values[condition.name] for values in conditions]
        for name, target in self._targets.items():
            value, lower, upper = predictions[target]
            columns |= {name: value, f"{name}.lower": lower, f"{name}.upper": upper}
        costs = [self.cost(candidate) for candidate in candidates]
        columns["params"] = [cost.params for cost in costs]
        columns["flops"] = [cost.flops for cost in costs]
        columns["in_domain"] = self.bundle.outliers(X, ids)[0]
        columns["seen"] = self.bundle.training_set.contains(ids)
        return pl.DataFrame(columns)

    def _conditions_of(self, candidate: str) -> dict[str, int | float | str]:
        size = split_row_id(candidate)[1]
        return self.bundle.resolve(self.conditions, None if size is None else {IMAGE_SIZE: size})

    def _row_id(self, candidate: str) -> str:
        """Key of the features of a candidate under its conditions."""
        id_ = f"{self.space.name}/{split_row_id(candidate)[0]}"
        return self.bundle.row_id(id_, self._conditions_of(candidate))

    def _compute_missing(self, candidates: Sequence[str], on_progress: OnProgress) -> None:
        keys = map(self._row_id, candidates)
        missing = [key.partition("/")[2] for key in keys if key not in self._table]
        if not missing:
            return
        computed = compute_features(
            FeatureRecipe(self.bundle.table.settings, self.bundle.network_features, self.images),
            self.space.name,
            missing,
            self.store,
            device=self.device,
            workers=self.workers,
            on_progress=on_progress,
        )
        absent = set(self.bundle.network_features) - set(computed.feature_names)
        if absent:
            raise InputError(
                f"got architectures of {self.space.name}, which lack {len(absent)} features of the "
                f"forest, such as {min(absent)}; expected a forest of this space or a universal one"
            )
        self._table = computed.joined(self._table)
