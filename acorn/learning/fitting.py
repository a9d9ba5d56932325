"""Growing the forests of a bundle.

Targets are correlated and their labels are noisy. A forest grown on many targets at once finds
splits that hold for all of them, which steadies those of the noisiest; one grown on a single kind
of target finds splits that only this kind needs. Averaging both is better than either.

Better still, where functions are like each other, are forests on smooth labels (see
:mod:`acorn.learning.smoothing`): trees, each grown on what a steadier model says of many functions,
are that model in the form that is served and explained (Breiman and Shang, Born again trees, 1996).
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from acorn.forests import Ensemble, Member
from acorn.forests._trees.packed import PackedForest
from acorn.learning.smoothing import Smooth
from acorn.targets import kind

Floats = NDArray[np.float64]

MOST_LEAVES, LEAST_TREES = 500_000, 16
"""Leaves of a forest on smooth labels, and trees that it has whatever their size."""

ALGORITHMS = {"extra_trees": ExtraTreesRegressor, "random_forest": RandomForestRegressor}


@dataclass(frozen=True, slots=True)
class Configuration:
    """How forests are grown.

    Attributes
    ----------
    algorithm
        ``"extra_trees"`` (Geurts et al., 2006) or ``"random_forest"`` (Breiman, 2001).
    features
        Name of a feature set, see :func:`acorn.learning.feature_sets.feature_sets`.
    max_features
        Share of the features that a split chooses from.
    min_samples_leaf
        Least number of functions in a leaf.
    composition
        ``"joint"``: one forest for all targets; ``"kind"``: one for each kind; ``"both"``;
        ``"smooth"``: one on smooth labels; ``"blend"``: that one and the joint one,
        a mean over the trees of both, of which :func:`smooth_trees` may be fewer.
    trees
        Number of trees of each forest.
    monotone
        Whether predictions may only rise with a feature, all else equal.
    """

    algorithm: str = "extra_trees"
    features: str = "both"
    max_features: float = 0.3
    min_samples_leaf: int = 1
    composition: str = "joint"
    trees: int = 100
    monotone: bool = False

    def but(self, **changes: Any) -> "Configuration":
        """Copy with changes."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The parameters by name."""
        return asdict(self)


@dataclass(frozen=True)
class Groups:
    """Which targets share a forest, by their numbers.

    Targets share one only where their labels are of the same functions.
    """

    joint: list[tuple[int, ...]]
    kind: list[tuple[int, ...]]

    @classmethod
    def of(cls, targets: Sequence[str], Y: Floats) -> "Groups":
        """Group targets by their labels of shape (functions, targets), NaN where there is none."""
        labelled = [np.isfinite(column).tobytes() for column in Y.T]
        return cls(
            _grouped(labelled),
            _grouped([(rows, kind(name)) for rows, name in zip(labelled, targets, strict=True)]),
        )

    def of_composition(self, composition: str) -> list[tuple[int, ...]]:
        """The groups that a composition has a forest for."""
        if composition == "both":
            return list(dict.fromkeys(self.joint + self.kind))
        return self.kind if composition == "kind" else self.joint


def grow(
    X: NDArray[np.float32],
    Y: Floats,
    groups: Sequence[tuple[int, ...]],
    columns: Sequence[int],
    configuration: Configuration,
    *,
    seed: int,
    n_jobs: int,
) -> Ensemble:
    """Grow a forest for each group of targets.

    Parameters
    ----------
    X
        Features, shape (functions, features).
    Y
        Labels in percent, shape (functions, targets), NaN where there is none.
    groups
        Targets of each forest.
    columns
        Features that the forests read.
    configuration
        How to grow them.
    seed, n_jobs
        Of scikit-learn.
    """
    members = []
    for group in groups:
        labelled = np.isfinite(Y[:, group[0]])
        if configuration.monotone:  # which scikit-learn has for rows without gaps only
            labelled &= np.isfinite(X[:, columns]).all(axis=1)
        labels = Y[labelled][:, group]
        mean, scale = labels.mean(axis=0), np.maximum(labels.std(axis=0), 1e-6)
        # Standardised, every target weighs the same in the choice of a split.
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


def narrowed(members: Sequence[Member], targets: Collection[int]) -> list[Member]:
    """Members for some targets only, grown on all of theirs."""
    found = []
    for member in members:
        outputs = [place for place, target in enumerate(member.targets) if target in targets]
        if outputs:
            values = np.ascontiguousarray(member.forest.values[:, outputs])
            kept = tuple(member.targets[place] for place in outputs)
            found.append(Member(replace(member.forest, values=values), member.features, kept))
    return found


def grow_smooth(
    X: NDArray[np.float32],
    labels: Smooth,
    targets: tuple[int, ...],
    columns: Sequence[int],
    configuration: Configuration,
    *,
    seed: int,
    n_jobs: int,
) -> Member:
    """Grow a forest on smooth labels.

    One half of the trees learns labels raised by their deviation, the other half lowered ones: the
    mean over trees is the smooth label, and their spread is its deviation.

    Parameters
    ----------
    X
        Features of all functions that have smooth labels, shape (functions, features).
    labels
        Of these functions.
    targets
        Numbers of the targets that the labels are of.
    columns, configuration, seed, n_jobs
        As in :func:`grow`.
    """
    mean, scale = labels.value.mean(axis=0), np.maximum(labels.value.std(axis=0), 1e-6)
    halves = []
    for half, moved in enumerate((labels.deviation, -labels.deviation)):
        standard = (labels.value + moved - mean) / scale
        forest = ExtraTreesRegressor(
            n_estimators=max(1, smooth_trees(configuration, len(X)) // 2),
            max_features=configuration.max_features,
            random_state=seed + half,
            n_jobs=n_jobs,
        )
        halves.append(forest.fit(X[:, columns], standard if len(targets) > 1 else standard[:, 0]))
    halves[0].estimators_ += halves[1].estimators_
    return Member(PackedForest.from_sklearn(halves[0], scale=scale, shift=mean), columns, targets)


def smooth_trees(configuration: Configuration, functions: int) -> int:
    """Number of trees on smooth labels: fewer where each is large, since each knows them all."""
    return int(min(configuration.trees, max(LEAST_TREES, MOST_LEAVES // functions)))


def _grouped(keys: Sequence[Any]) -> list[tuple[int, ...]]:
    groups: dict[Any, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return [tuple(places) for places in groups.values()]
