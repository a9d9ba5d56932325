"""Impurity importances: how much the tests on a feature reduced the variance of training labels.

They say what the trees are made of, not what predictions depend on: features of many values are
favoured, and of collinear ones each takes a part. A report shows them beside the others only.

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
    """Share of each feature in the reduction of variance, shape (features, targets)."""
    found = np.zeros((len(bundle.feature_names), len(targets)))
    for forest, features, own in bundle.ensemble.members:
        for output, number in enumerate(own):
            if bundle.targets[number] in targets:
                column = targets.index(bundle.targets[number])
                found[features, column] += _reductions(forest, output)
    total = found.sum(axis=0)
    return np.divide(found, total, out=np.zeros_like(found), where=total > 0)


def _reductions(forest: PackedForest, output: int) -> Floats:
    """Reduction of the sum of squares by each feature, summed over the trees.

    A node with children of weights ``a`` and ``b`` and means ``x`` and ``y`` reduces it by
    ``a b / (a + b) (x - y)²``.
    """
    nodes = forest.nodes
    value = forest.values[forest.code, output].astype(np.float64)
    value -= value.mean()  # running sums of small numbers lose less
    first, last = nodes.leaf, np.append(nodes.leaf, len(value))[nodes.end]
    weight = _between(forest.count, first, last)
    mean = _between(forest.count * value, first, last) / weight
    inner = np.flatnonzero(nodes.right > np.arange(len(nodes.right)))
    left, right = inner + 1, nodes.right[inner]
    shared = weight[left] * weight[right] / weight[inner]
    gain = shared * np.square(mean[left] - mean[right])
    reductions = np.zeros(forest.n_features)
    np.add.at(reductions, nodes.feature[inner], gain)
    return reductions


def _between(values: NDArray[Any], first: Ints, last: Ints) -> Floats:
    """Sums of ``values[first:last]``."""
    running = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return running[last] - running[first]
