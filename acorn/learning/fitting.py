"""Fits forests to original and to smoothed labels."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestRegressor,
)

from acorn.forests import Ensemble, Member, PackedForest
from acorn.learning.composition import Composition, Group
from acorn.learning.smoothing import SmoothedLabels

Floats = NDArray[np.float64]

MOST_LEAVES, LEAST_TREES = 500_000, 16
"""Most leaves and least trees of a forest on smoothed labels; the number of trees has priority."""

SHRINKAGE = 15.0
"""Learning rate of gradient boosting times the number of trees."""

ALGORITHMS = {"extra_trees": ExtraTreesRegressor, "random_forest": RandomForestRegressor}


@dataclass(frozen=True, slots=True)
class Configuration:
    """Hyper-parameters of the forests of a bundle.

    Attributes
    ----------
    algorithm : {"extra_trees", "random_forest"}, default="extra_trees"
        Geurts et al., 2006, or Breiman, 2001.
    features : str, default="both"
        Name of a feature set, see :func:`acorn.learning.feature_sets.feature_sets`.
    max_features : float, default=0.3
        Share of the features among which a split chooses.
    min_samples_leaf : int, default=1
        Least number of rows in a leaf.
    composition : Composition or str, default="joint"
        Which forests there are.
    trees : int, default=100
        Number of trees of each forest; forests on smoothed labels may have fewer, see
        :func:`smoothed_trees`.
    monotone : bool, default=False
        Whether predictions may only rise with a feature, all else equal.
    boosted : bool, default=False
        Whether gradient boosting (Friedman, 2001) adds a forest for each target. A prediction
        is the mean over the trees of all forests.
    isotropic : bool, default=False
        Whether labels are smoothed by a process with one length scale for all features, a linear
        part and effects of groups, see :class:`~acorn.learning.smoothing.MixedProcess`. It carries
        over to groups without labels better if rows are few.
    smoothed_weight : float, default=1.0
        Weight of a tree on smoothed labels in the mean over trees; others have 1.
    """

    algorithm: str = "extra_trees"
    features: str = "both"
    max_features: float = 0.3
    min_samples_leaf: int = 1
    composition: Composition = Composition.JOINT
    trees: int = 100
    monotone: bool = False
    boosted: bool = False
    isotropic: bool = False
    smoothed_weight: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "composition", Composition(self.composition))

    def but(self, **changes: Any) -> "Configuration":
        """Copy with changes.

        Parameters
        ----------
        **changes
            New values of attributes.

        Returns
        -------
        Configuration
            The changed copy.
        """
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values.

        Returns
        -------
        dict
            Value of each attribute, by name.
        """
        return asdict(self) | {"composition": str(self.composition)}


def fit_forests(
    X: Float32[NDArray[np.float32], "n features"],
    Y: Float64[Floats, "n targets"],
    groups: Sequence[Group],
    columns: Sequence[int],
    configuration: Configuration,
    *,
    seed: int,
    n_jobs: int,
) -> Ensemble:
    """Fit a forest for each group of targets.

    Parameters
    ----------
    X : ndarray of shape (n, features)
        Features.
    Y : ndarray of shape (n, targets)
        Labels, NaN where there is none.
    groups : sequence of tuple of int
        Targets of each forest.
    columns : sequence of int
        Features that the forests read.
    configuration : Configuration
        Hyper-parameters.
    seed : int
        Seed of the forests.
    n_jobs : int
        Number of cores; -1 uses all.

    Returns
    -------
    Ensemble
        The forests, in the order of the groups.
    """
    members = []
    for group in groups:
        labelled = np.isfinite(Y[:, group[0]])
        if configuration.monotone:  # scikit-learn requires rows without missing values
            labelled &= np.isfinite(X[:, columns]).all(axis=1)
        labels = Y[labelled][:, group]
        mean, scale = labels.mean(axis=0), np.maximum(labels.std(axis=0), 1e-6)
        # Standardised, every target has the same weight in the choice of a split.
        standard = (labels - mean) / scale
        forest = ALGORITHMS[configuration.algorithm](
            n_estimators=configuration.trees,
            max_features=configuration.max_features,
            min_samples_leaf=configuration.min_samples_leaf,
            monotonic_cst=[1] * len(columns) if configuration.monotone else None,
            random_state=seed,
            n_jobs=n_jobs,
        ).fit(X[labelled][:, columns], standard if len(group) > 1 else standard[:, 0])
        packed = PackedForest.from_sklearn(forest, scale=scale, shift=mean)
        members.append(Member(packed, columns, group))
    return Ensemble(members)


def fit_smoothed_forest(
    X: Float32[NDArray[np.float32], "n features"],
    labels: SmoothedLabels,
    targets: Group,
    columns: Sequence[int],
    configuration: Configuration,
    *,
    seed: int,
    n_jobs: int,
) -> Member:
    """Fit a forest to smoothed labels.

    One half of the trees is fitted to the labels plus their deviation, the other half to the labels
    minus their deviation. The mean over trees is the smoothed label, and their spread is its
    deviation.

    Parameters
    ----------
    X : ndarray of shape (n, features)
        Features of all rows that have smoothed labels.
    labels : SmoothedLabels
        Their labels.
    targets : tuple of int
        Numbers of the targets of the labels.
    columns : sequence of int
        Features that the forest reads.
    configuration : Configuration
        Hyper-parameters.
    seed : int
        Seed of the forest.
    n_jobs : int
        Number of cores; -1 uses all.

    Returns
    -------
    Member
        The forest.
    """
    mean, scale = labels.value.mean(axis=0), np.maximum(labels.value.std(axis=0), 1e-6)
    halves = []
    for half, shift in enumerate((labels.deviation, -labels.deviation)):
        standard = (labels.value + shift - mean) / scale
        forest = ExtraTreesRegressor(
            n_estimators=max(1, smoothed_trees(configuration, len(X)) // 2),
            max_features=configuration.max_features,
            random_state=seed + half,
            n_jobs=n_jobs,
        )
        halves.append(forest.fit(X[:, columns], standard if len(targets) > 1 else standard[:, 0]))
    halves[0].estimators_ += halves[1].estimators_
    packed = PackedForest.from_sklearn(halves[0], scale=scale, shift=mean)
    return Member(packed, columns, targets, weight=configuration.smoothed_weight)


def effects_member(
    effects: Float64[Floats, "levels targets"],
    counts: Int64[NDArray[np.int64], " levels"],
    columns: Sequence[int],
    targets: Group,
) -> Member:
    """Make a forest that adds an effect of the level of a category to predictions.

    Parameters
    ----------
    effects : ndarray of shape (levels, targets)
        Effects on the scale of the forests.
    counts : ndarray of int of shape (levels,)
        Number of labels of each level.
    columns : sequence of int
        Feature of each level, which is 1 for rows of the level, otherwise 0.
    targets : tuple of int
        Numbers of the targets.

    Returns
    -------
    Member
        One tree of two leaves for each level. Their mean is the effect.
    """
    levels = len(columns)
    leaves = np.zeros((levels, 2, len(targets)))
    leaves[:, 1] = levels * effects
    others = counts.sum() - counts
    forest = PackedForest(
        sizes=np.full(levels, 3, np.uint32),
        leaf_bits=np.packbits(np.tile([False, True, True], levels)),
        missing_left_bits=np.packbits(np.ones(levels, bool)),
        feature=np.arange(levels, dtype=np.int16),
        threshold=np.full(levels, 0.5, np.float32),
        count=np.stack([others, counts], axis=1).clip(1).ravel().astype(np.float32),
        code=np.arange(2 * levels, dtype=np.uint16),
        values=leaves.reshape(-1, len(targets)).astype(np.float32),
        n_features=levels,
    )
    return Member(forest, columns, targets, additive=True)


def fit_boosted_forests(
    X: Float32[NDArray[np.float32], "n features"],
    Y: Float64[Floats, "n targets"],
    columns: Sequence[int],
    *,
    trees: int,
    seed: int,
) -> list[Member]:
    """Fit a forest to each target by gradient boosting.

    A boosted prediction is a sum over trees. The leaves are rescaled so that it is their mean, as
    in other forests.

    Parameters
    ----------
    X : ndarray of shape (n, features)
        Features; columns in use are not missing.
    Y : ndarray of shape (n, targets)
        Labels, NaN where there is none.
    columns : sequence of int
        Features that the forests read.
    trees : int
        Number of trees of each forest.
    seed : int
        Seed of the forests.

    Returns
    -------
    list of Member
        One for each target, in their order.

    References
    ----------
    Friedman, Greedy function approximation: a gradient boosting machine, 2001; Stochastic gradient
    boosting, 2002 (each tree sees half of the rows).
    """
    members = []
    for target, labels in enumerate(Y.T):
        labelled = np.isfinite(labels)
        mean, scale = labels[labelled].mean(), max(labels[labelled].std(), 1e-6)
        forest = GradientBoostingRegressor(
            n_estimators=trees,
            learning_rate=SHRINKAGE / trees,
            max_depth=4,
            subsample=0.5,
            max_features=0.2,
            min_samples_leaf=5,
            init="zero",
            random_state=seed,
        ).fit(X[labelled][:, columns], (labels[labelled] - mean) / scale)
        factor = np.array([scale * SHRINKAGE])
        packed = PackedForest.from_sklearn(forest, scale=factor, shift=np.array([mean]))
        members.append(Member(packed, columns, (target,), boosted=True))
    return members


def smoothed_trees(configuration: Configuration, rows: int) -> int:
    """Number of trees of a forest on smoothed labels, which is lower if each tree is large.

    Parameters
    ----------
    configuration : Configuration
        Gives the largest number of trees.
    rows : int
        Number of rows that the forest is fitted to.

    Returns
    -------
    int
        Number of trees.
    """
    return int(min(configuration.trees, max(LEAST_TREES, MOST_LEAVES // rows)))
