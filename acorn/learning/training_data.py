"""Features and labels of training, one row for each class of equivalent architectures."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy.typing import NDArray

from acorn.conditions import PREFIX, UNKNOWN, Condition, category_columns, encode_conditions
from acorn.errors import InputError, MismatchError
from acorn.features.feature_table import NETWORK, FeatureTable, row_id
from acorn.forests import Ensemble, LabelScale, Member, bounded
from acorn.forests.bundle import image_size_of
from acorn.learning.composition import TargetGroups, restricted
from acorn.learning.feature_sets import feature_sets
from acorn.learning.fitting import (
    Configuration,
    effects_member,
    fit_boosted_forests,
    fit_forests,
    fit_smoothed_forest,
)
from acorn.learning.labels import Labels
from acorn.learning.population import Population
from acorn.learning.smoothing import Factors, SmoothedLabels, expected_scores, mixed_scores
from acorn.learning.splits import folds, group_folds
from acorn.spaces import UNIVERSAL
from acorn.targets import Target, find_target

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

MOST_LABELS, RICH = 100, 400
"""Labels of the scarcest and of the richest target from which there is model selection."""

LEAST_SELECTED = 20
"""Least labels of each target for model selection."""

LEAST_ROWS = 5
"""Least labels of each target."""

BOOSTED = 2
"""Trees of a boosted forest for each tree of another forest: of a blend of two forests and a
boosted one, the latter has half the weight."""


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
    companions : ndarray of shape (n, companions), optional
        Labels on other datasets; NaN if there is none.
    population : Population, optional
        All architectures of the space, if they can be listed.
    names : sequence of str, default=()
        Names of the columns of X: features, then columns of conditions.
    row_groups : sequence of str, optional
        Group of each row; folds do not separate the rows of a group.
    few_labels : bool, default=False
        Whether the learner for few labels may be used in place of model selection.
    levels : mapping of str to ndarray of int of shape (n,), default={}
        For each optional category, the number of the value of each row; -1 if it is unknown. In X,
        the values of all rows are unknown, so that scores are those of requests without a value.
    """

    ids: Sequence[str]
    X: Float32[NDArray[np.float32], "n features"]
    targets: Sequence[str]
    Y: Float64[Floats, "n targets"]
    columns: Mapping[str, Sequence[int]]
    seed: int
    n_jobs: int
    spaces: Int64[NDArray[np.int64], " n"] | None = None
    companions: Float64[Floats, "n companions"] | None = None
    population: Population | None = None
    names: Sequence[str] = ()
    row_groups: Sequence[str] | None = None
    few_labels: bool = False
    levels: Mapping[str, Int64[NDArray[np.int64], " n"]] = field(default_factory=dict)

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
        few_labels: bool = False,
    ) -> Self:
        """Join labels and features.

        Parameters
        ----------
        labels, features, targets, feature_set, seed, n_jobs
            As in :func:`acorn.learning.train.train_bundle`.
        few_labels : bool, default=False
            Whether the learner for few labels may be used in place of model selection. The
            population is then that of the feature table if there are few labels.

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
        # Under one condition, rows differ in what nobody recorded: intervals have to cover that.
        averaged = labels if labels.conditions else labels.by_function()
        has_features = [key in features for key in _row_ids(averaged)]
        known = replace(averaged, frame=averaged.frame.filter(has_features))
        Y = LabelScale.of(wanted).to_model(known.matrix(wanted))
        labelled = np.flatnonzero(np.isfinite(Y).any(axis=1))
        ids = [known.ids[row] for row in labelled]
        if len(ids) < len(averaged.ids):
            logger.warning("%d of %d labelled rows have features", len(ids), len(averaged.ids))
        Y = Y[labelled]
        fewest = _fewest(ids, Y)
        if fewest < LEAST_ROWS:
            raise InputError(
                f"got {fewest} architectures with features and labels; expected {LEAST_ROWS} "
                "or more"
            )
        conditions = {
            c: i for i, c in enumerate(_condition_names(known), len(features.feature_names))
        }
        optional = {c.name: c for c in known.conditions if c.is_optional}
        always = [
            place
            for column, place in conditions.items()
            if column.removeprefix(PREFIX).partition(".")[0] not in optional
        ]
        columns = {
            name: [*places, *always]
            for name, places in feature_sets(features.feature_names).items()
        }
        if feature_set is not None:
            if feature_set not in columns:
                expected = ", ".join(columns)
                raise InputError(f"got feature set {feature_set!r}; expected one of {expected}")
            columns = {feature_set: columns[feature_set]}
        X = features.matrix(features.feature_names, _row_ids(known))
        X = bounded(np.column_stack([X, _encoded(known)])[labelled])
        names = [*features.feature_names, *conditions]
        values = [known.condition_values[row] for row in labelled]
        levels = {
            name: np.array([_level(condition, row[name]) for row in values], np.int64)
            for name, condition in optional.items()
        }
        data = cls(ids, X, wanted, Y, columns, seed, n_jobs, names=names, levels=levels)
        if (groups := known.groups) is not None:
            data = replace(data, row_groups=[groups[row] for row in labelled])
        elif labels.space == UNIVERSAL and not all(id_.startswith(f"{NETWORK}/") for id_ in ids):
            return replace(data, spaces=_spaces(ids))
        data = replace(data, few_labels=few_labels)
        if data.has_few_labels or labels.conditions:
            return replace(data, population=Population.of_table(features, labels, data.X))
        if labels.space == UNIVERSAL:
            return data
        companions = known.matrix(known.companions)[labelled] if known.companions else None
        population = Population.of(labels.space, ids, features)
        return replace(data, companions=companions, population=population)

    def by_scale(self) -> "list[TrainingData]":
        """Divide targets by their scale: accuracies and speeds depend on different features.

        Returns
        -------
        list of TrainingData
            Each has the rows that have a label of its targets. If there are several, rows of equal
            features and labels are one row: a speed does not depend on the training.
        """
        scales = [Target.of(name).scale for name in self.targets]
        if len(set(scales)) == 1:
            return [self]
        return [self._part([s == scale for s in scales]) for scale in dict.fromkeys(scales)]

    def _part(self, chosen: Sequence[bool]) -> "TrainingData":
        """Select targets, and the distinct rows that have labels of them."""
        Y = self.Y[:, np.array(chosen)]
        labelled = np.flatnonzero(np.isfinite(Y).any(axis=1)).tolist()
        keys = [(self.ids[row], self.X[row].tobytes(), Y[row].tobytes()) for row in labelled]
        rows = sorted(dict(zip(keys, labelled, strict=True)).values())
        population = self.population
        return replace(
            self,
            ids=[self.ids[row] for row in rows],
            X=self.X[rows],
            targets=[name for name, keep in zip(self.targets, chosen, strict=True) if keep],
            Y=Y[rows],
            spaces=None if self.spaces is None else self.spaces[rows],
            companions=None if self.companions is None else self.companions[rows],
            population=population and population.part(rows),
            row_groups=self.row_groups and [self.row_groups[row] for row in rows],
            levels={name: levels[rows] for name, levels in self.levels.items()},
        )

    def with_levels(self) -> Float32[NDArray[np.float32], "n features"]:
        """Features under the known values of optional categories.

        Returns
        -------
        ndarray of shape (n, features)
            X, with the columns of these categories as requests with a value have them.
        """
        X = self.X.copy()
        categories = category_columns(self.names)
        for name, levels in self.levels.items():
            columns, rows = np.array(categories[name]), np.flatnonzero(levels >= 0)
            X[rows[:, None], columns] = 0.0
            X[rows, columns[levels[rows]]] = 1.0
        return X

    @property
    def scale_name(self) -> str:
        """Scale of all targets of a part that :meth:`by_scale` returned."""
        return Target.of(self.targets[0]).scale

    @property
    def fewest(self) -> int:
        """Number of labelled architectures of the target that has the fewest."""
        return _fewest(self.ids, self.Y)

    @property
    def has_few_labels(self) -> bool:
        """Whether labels are too few for model selection."""
        richest = int(np.isfinite(self.Y).sum(axis=0).max())
        scarce = self.fewest < LEAST_SELECTED or (self.fewest < MOST_LABELS and richest < RICH)
        return self.few_labels and scarce

    @cached_property
    def scale(self) -> LabelScale:
        """Scale of the labels and of the forests."""
        return LabelScale.of(self.targets)

    @cached_property
    def groups(self) -> TargetGroups:
        """Which targets may share a forest."""
        return TargetGroups.of(self.targets, self.Y)

    def fit(self, configuration: Configuration, rows: Bool[NDArray[np.bool_], " n"]) -> Ensemble:
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
            Forests on the original labels, then forests on smoothed labels, then boosted forests.
        """
        ensemble = self._fit_averaged(configuration, rows)
        if not configuration.boosted:
            return ensemble
        return Ensemble([*ensemble.members, *self.fit_boosted(configuration, rows)])

    def fit_boosted(
        self, configuration: Configuration, rows: Bool[NDArray[np.bool_], " n"]
    ) -> list[Member]:
        """Fit a forest to each target by gradient boosting.

        Parameters
        ----------
        configuration : Configuration
            Gives the feature set and the number of trees.
        rows : ndarray of bool of shape (n,)
            Rows to fit to.

        Returns
        -------
        list of Member
            The forests, in the order of the targets.
        """
        return fit_boosted_forests(
            self.X[rows],
            self.Y[rows],
            self.columns[configuration.features],
            trees=BOOSTED * configuration.trees,
            seed=self.seed,
        )

    def _fit_averaged(
        self, configuration: Configuration, rows: Bool[NDArray[np.bool_], " n"]
    ) -> Ensemble:
        """Fit forests whose trees do not correct each other."""
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
        self, configuration: Configuration, rows: Bool[NDArray[np.bool_], " n"]
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
            if configuration.isotropic:
                smoothed, effects = self._mixed(X, columns, labelled, place, targets)
            else:
                scores = expected_scores(X[:, columns], place, Y, companions, seed=self.seed)
                smoothed, effects = scores.smoothed(), []
            yield fit_smoothed_forest(
                X,
                smoothed,
                targets,
                columns,
                configuration,
                seed=self.seed,
                n_jobs=self.n_jobs,
            )
            yield from effects

    def _mixed(
        self,
        X: Float32[NDArray[np.float32], "architectures features"],
        columns: Sequence[int],
        labelled: Bool[NDArray[np.bool_], " n"],
        place: Int64[NDArray[np.int64], " rows"],
        targets: Sequence[int],
    ) -> tuple[SmoothedLabels, list[Member]]:
        """Smooth labels by a process with random effects, and make the members of the effects."""
        categories = category_columns(self.names)
        kinds = {name: places for name, places in categories.items() if name not in self.levels}
        others = set(columns).difference(*kinds.values())
        levels = [one[labelled] for one in self.levels.values()]
        sizes = [len(categories[name]) for name in self.levels]
        groups = np.unique(self.row_groups or self.ids, return_inverse=True)[1]
        scores = mixed_scores(
            X[:, sorted(others)],
            [X[:, places].argmax(axis=1) for places in kinds.values()],
            place,
            self.Y[labelled][:, targets],
            (self.scale.lower[list(targets)], self.scale.upper[list(targets)]),
            Factors(levels, sizes, groups[labelled].astype(np.int64)),
            seed=self.seed,
        )
        effects = [
            effects_member(
                effect,
                np.bincount(one[one >= 0], minlength=size),
                categories[name],
                tuple(targets),
            )
            for name, one, size, effect in zip(
                self.levels, levels, sizes, scores.effects, strict=True
            )
        ]
        return scores.smoothed, effects

    def complete_companions(
        self, rows: Bool[NDArray[np.bool_], " n"]
    ) -> Float64[Floats, "selected companions"]:
        """Select the labels on other datasets that are complete for some rows.

        Parameters
        ----------
        rows : ndarray of bool of shape (n,)
            Rows to select.

        Returns
        -------
        ndarray of shape (selected rows, companions)
            Labels without NaN.
        """
        if self.companions is None:
            return np.empty((np.count_nonzero(rows), 0))
        labels = self.companions[rows]
        return labels[:, np.isfinite(labels).all(axis=0)]

    def folds(self, n_folds: int) -> Int64[NDArray[np.int64], " n"]:
        """Split rows into folds.

        Parameters
        ----------
        n_folds : int
            Number of random folds, or of folds of groups; not used if folds are spaces.

        Returns
        -------
        ndarray of int64 of shape (n,)
            Fold of each row.
        """
        if self.spaces is not None:
            return self.spaces
        if self.row_groups is not None:
            return group_folds(self.row_groups, n_folds=n_folds, seed=self.seed)
        return folds(self.ids, n_folds=n_folds, seed=self.seed)


def _fewest(ids: Sequence[str], Y: Float64[Floats, "n targets"]) -> int:
    known = (np.isfinite(column) for column in Y.T)
    return min(len({ids[row] for row in np.flatnonzero(rows).tolist()}) for rows in known)


def _row_ids(labels: Labels) -> list[str]:
    """Keys of the features of each row."""
    if not labels.conditions:
        return labels.ids
    return [
        row_id(id_, labels.dataset, image_size_of(values))
        for id_, values in zip(labels.ids, labels.condition_values, strict=True)
    ]


def _condition_names(labels: Labels) -> list[str]:
    """Names of the columns of conditions."""
    return [column for condition in labels.conditions for column in condition.columns]


def _level(condition: Condition, value: float | str) -> int:
    """Number of a value of an optional category; -1 if it is unknown."""
    return -1 if value == UNKNOWN else condition.values.index(str(value))


def _encoded(labels: Labels) -> Float32[NDArray[np.float32], "rows columns"]:
    """Columns of conditions, with unknown values of optional categories."""
    unknown = {c.name: UNKNOWN for c in labels.conditions if c.is_optional}
    rows = [
        [*encode_conditions(labels.conditions, {**values, **unknown}).values()]
        for values in labels.condition_values
    ]
    return np.array(rows, np.float32).reshape(len(rows), len(_condition_names(labels)))


def _spaces(ids: Sequence[str]) -> Int64[NDArray[np.int64], " n"]:
    """Number of the space of each row."""
    names, numbers = np.unique([id_.partition("/")[0] for id_ in ids], return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"got labelled architectures of {names[0]} only; expected several spaces, since a "
            f"universal bundle is scored by leaving out one at a time"
        )
    return numbers
