"""Features and labels of training, one row for each class of equivalent architectures."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from acorn.errors import InputError, MismatchError
from acorn.features.feature_table import FeatureTable
from acorn.forests import Ensemble, LabelScale, Member, bounded
from acorn.learning.composition import TargetGroups, restricted
from acorn.learning.feature_sets import feature_sets
from acorn.learning.fitting import Configuration, fit_forests, fit_smoothed_forest
from acorn.learning.labels import Labels
from acorn.learning.population import Population
from acorn.learning.smoothing import expected_scores
from acorn.learning.splits import folds
from acorn.spaces import UNIVERSAL
from acorn.targets import find_target

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

LEAST_ROWS = 20


@dataclass(frozen=True)
class TrainingData:
    """Features and labels that forests are fitted to.

    Attributes
    ----------
    ids : sequence of str
        Id of each row.
    X : ndarray of shape (n, features)
        Features.
    targets : sequence of str
        Names.
    Y : ndarray of shape (n, targets)
        Labels on the scale of the forests; NaN if there is none.
    columns : mapping of str to sequence of int
        Columns of each feature set.
    seed, n_jobs : int
        Arguments of splits and forests.
    spaces : ndarray of int of shape (n,), optional
        Number of the space of each row, for a universal bundle. Each fold is then a space, so that
        scores are those of spaces that the forests were not fitted to.
    companions : ndarray of shape (n, any), optional
        Labels on other datasets; NaN if there is none.
    population : Population, optional
        All architectures of the space, if they can be listed.
    """

    ids: Sequence[str]
    X: NDArray[np.float32]
    targets: Sequence[str]
    Y: Floats
    columns: Mapping[str, Sequence[int]]
    seed: int
    n_jobs: int
    spaces: NDArray[np.int64] | None = None
    companions: Floats | None = None
    population: Population | None = None

    @classmethod
    def of(
        cls,
        labels: Labels,
        features: FeatureTable,
        targets: Sequence[str] | None = None,
        feature_set: str | None = None,
        *,
        seed: int = 0,
        n_jobs: int = -1,
    ) -> Self:
        """Join labels and features.

        Parameters
        ----------
        labels, features, targets, feature_set, seed, n_jobs
            As in :func:`acorn.learning.train.train_bundle`.

        Returns
        -------
        TrainingData
            The rows that have features and a label.

        Raises
        ------
        UnknownTargetError
            For a target that the labels do not have.
        InputError
            If there are too few rows, spaces, or no such feature set, or if a label of a target
            on a log scale is not above 0.
        MismatchError
            If the features are of another dataset than the labels.
        """
        if features.settings.dataset != labels.dataset:
            got = f"features on {features.settings.dataset}"
            raise MismatchError(f"got {got}; expected {labels.dataset}, the dataset of the labels")
        asked = [find_target(name, labels.targets) for name in targets or labels.targets]
        wanted = list(dict.fromkeys(asked))
        averaged = labels.by_function()
        known = averaged.only({id_ for id_ in averaged.ids if id_ in features})
        Y = LabelScale.of(wanted).to_model(known.matrix(wanted))
        labelled = np.flatnonzero(np.isfinite(Y).any(axis=1))
        ids = [known.ids[row] for row in labelled]
        if len(ids) < len(averaged.ids):
            logger.warning("%d of %d architectures have features", len(ids), len(averaged.ids))
        Y = Y[labelled]
        fewest = int(np.isfinite(Y).sum(axis=0).min()) if len(Y) else 0
        if fewest < LEAST_ROWS:
            raise InputError(
                f"got {fewest} architectures with features and labels; expected {LEAST_ROWS} "
                "or more"
            )
        columns = feature_sets(features.feature_names)
        if feature_set is not None:
            if feature_set not in columns:
                expected = ", ".join(columns)
                raise InputError(f"got feature set {feature_set!r}; expected one of {expected}")
            columns = {feature_set: columns[feature_set]}
        X = bounded(features.matrix(features.feature_names, ids))
        data = cls(ids, X, wanted, Y, columns, seed, n_jobs)
        if labels.space == UNIVERSAL:
            return replace(data, spaces=_spaces(ids))
        companions = known.matrix(known.companions)[labelled] if known.companions else None
        population = Population.of(labels.space, ids, features)
        return replace(data, companions=companions, population=population)

    @cached_property
    def scale(self) -> LabelScale:
        """Scale of the labels and of the forests."""
        return LabelScale.of(self.targets)

    @cached_property
    def groups(self) -> TargetGroups:
        """Which targets may share a forest."""
        return TargetGroups.of(self.targets, self.Y)

    def fit(self, configuration: Configuration, rows: NDArray[np.bool_]) -> Ensemble:
        """Fit forests to some of the rows.

        Parameters
        ----------
        configuration : Configuration
            Hyper-parameters.
        rows : ndarray of bool of shape (n,)
            Rows to fit to.

        Returns
        -------
        Ensemble
            Forests on the original labels, then forests on smoothed labels.
        """
        composition, groups = configuration.composition, self.groups
        plain = fit_forests(
            self.X[rows],
            self.Y[rows],
            composition.groups(groups),
            self.columns[configuration.features],
            configuration,
            seed=self.seed,
            n_jobs=self.n_jobs,
        )
        if not composition.is_smoothed:
            return plain
        return Ensemble(
            [
                *restricted(plain.members, composition.plain_targets(groups)),
                *self._fit_smoothed(configuration, rows),
            ]
        )

    def _fit_smoothed(
        self, configuration: Configuration, rows: NDArray[np.bool_]
    ) -> Iterator[Member]:
        """Fit forests to smoothed labels."""
        columns = self.columns[configuration.features]
        for targets in self.groups.smoothed:
            labelled = rows & np.isfinite(self.Y[:, targets[0]])
            if self.population is not None and self.population.covers(columns):
                X, place = self.population.X, self.population.place[labelled]
            else:
                X, place = self.X[labelled], np.arange(np.count_nonzero(labelled))
            Y, companions = self.Y[labelled][:, targets], self.complete_companions(labelled)
            scores = expected_scores(X[:, columns], place, Y, companions, seed=self.seed)
            yield fit_smoothed_forest(
                X,
                scores.smoothed(),
                targets,
                columns,
                configuration,
                seed=self.seed,
                n_jobs=self.n_jobs,
            )

    def complete_companions(self, rows: NDArray[np.bool_]) -> Floats:
        """Select the labels on other datasets that are complete for some rows.

        Parameters
        ----------
        rows : ndarray of bool of shape (n,)
            Rows to select.

        Returns
        -------
        ndarray of shape (selected rows, any)
            Labels without NaN.
        """
        if self.companions is None:
            return np.empty((np.count_nonzero(rows), 0))
        labels = self.companions[rows]
        return labels[:, np.isfinite(labels).all(axis=0)]

    def folds(self, n_folds: int) -> NDArray[np.int64]:
        """Split rows into folds.

        Parameters
        ----------
        n_folds : int
            Number of random folds; not used if folds are spaces.

        Returns
        -------
        ndarray of int64 of shape (n,)
            Fold of each row.
        """
        if self.spaces is not None:
            return self.spaces
        return folds(self.ids, n_folds=n_folds, seed=self.seed)


def _spaces(ids: Sequence[str]) -> NDArray[np.int64]:
    """Number of the space of each row."""
    names, numbers = np.unique([id_.partition("/")[0] for id_ in ids], return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"got labelled architectures of {names[0]} only; expected several spaces, since a "
            f"universal bundle is scored by leaving out one at a time"
        )
    return numbers
