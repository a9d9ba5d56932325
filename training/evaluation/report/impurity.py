"""Impurity importances: how much the splits on a feature reduce the variance of training labels.

They describe the trees, not what predictions depend on: features with many values are favoured, and
collinear features share their importance. A report shows them next to permutation importances.

References
----------
Breiman et al., Classification and regression trees, 1984.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acorn.forests import Bundle, PackedForest

Floats = NDArray[np.float64]
Ints = NDArray[Any]


def impurity_importances(bundle: Bundle, targets: Sequence[str]) -> Floats:
    """Share of each feature in the reduction of variance.

    Parameters
    ----------
    bundle : Bundle
        A trained bundle.
    targets : sequence of str
        Targets of the columns.

    Returns
    -------
    numpy.ndarray
        Shape (features, targets); columns sum to 1, or to 0 if no tree splits.
    """
    reductions = np.zeros((len(bundle.feature_names), len(targets)))
    for member in bundle.ensemble.members:
        if member.additive:
            continue
        for output, number in enumerate(member.targets):
            if bundle.targets[number] in targets:
                column = targets.index(bundle.targets[number])
                reductions[member.features, column] += member.weight * _reductions(
                    member.forest, output
                )
    total = reductions.sum(axis=0)
    return np.divide(reductions, total, out=np.zeros_like(reductions), where=total > 0)


def _reductions(forest: PackedForest, output: int) -> Floats:
    """Reduction of the sum of squares by each feature, summed over the trees.

    A split into children of weights ``a`` and ``b`` and means ``x`` and ``y`` reduces the sum by
    ``a b / (a + b) (x - y)²``.
    """
    nodes = forest.nodes
    value = forest.values[forest.code, output].astype(np.float64)
    value -= value.mean()  # for the precision of the running sums
    first, last = nodes.leaf, np.append(nodes.leaf, len(value))[nodes.end]
    weight = _between(forest.count, first, last)
    mean = _between(forest.count * value, first, last) / weight
    inner = np.flatnonzero(nodes.right > np.arange(len(nodes.right)))
    left, right = inner + 1, nodes.right[inner]
    shared = weight[left] * weight[right] / weight[inner]
    gain = shared * np.square(mean[left] - mean[right])
    features = nodes.feature[inner]
    return np.bincount(features, gain, forest.n_features).astype(np.float64)


def _between(values: NDArray[Any], first: Ints, last: Ints) -> Floats:
    """Sums of ``values[first:last]``."""
    running = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return running[last] - running[first]
