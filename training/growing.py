"""Growing the forests of a bundle.

Targets are correlated and their labels are noisy. A forest grown on many targets at once finds
splits that hold for all of them, which steadies those of the noisiest; one grown on a single kind
of target finds splits that only this kind needs. Averaging both is better than either.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from models.forests.ensemble import Ensemble, Member
from models.forests.packed import PackedForest
from models.forests.targets import kind

Floats = NDArray[np.float64]

ALGORITHMS = {"extra_trees": ExtraTreesRegressor, "random_forest": RandomForestRegressor}


@dataclass(frozen=True, slots=True)
class Configuration:
    """How forests are grown.

    Attributes
    ----------
    algorithm
        ``"extra_trees"`` (Geurts et al., 2006) or ``"random_forest"`` (Breiman, 2001).
    features
        Name of a feature set, see :func:`training.feature_sets.feature_sets`.
    max_features
        Share of the features that a split chooses from.
    min_samples_leaf
        Least number of functions in a leaf.
    composition
        ``"joint"``: one forest for all targets; ``"kind"``: one for each kind; ``"both"``.
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
        return self.joint if composition == "joint" else self.kind


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


def _grouped(keys: Sequence[Any]) -> list[tuple[int, ...]]:
    groups: dict[Any, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return [tuple(places) for places in groups.values()]
