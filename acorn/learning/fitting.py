"""Fits forests to original and to smoothed labels."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from acorn.forests import Ensemble, Member, PackedForest
from acorn.learning.composition import Composition, Group
from acorn.learning.smoothing import SmoothedLabels

Floats = NDArray[np.float64]

MOST_LEAVES, LEAST_TREES = 500_000, 16
"""Most leaves and least trees of a forest on smoothed labels; the number of trees has priority."""

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
    """

    algorithm: str = "extra_trees"
    features: str = "both"
    max_features: float = 0.3
    min_samples_leaf: int = 1
    composition: Composition = Composition.JOINT
    trees: int = 100
    monotone: bool = False

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
    X: NDArray[np.float32],
    Y: Floats,
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
    X: NDArray[np.float32],
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
    return Member(PackedForest.from_sklearn(halves[0], scale=scale, shift=mean), columns, targets)


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
