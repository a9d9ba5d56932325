"""What the trees of one forest predict, as tests ask for it."""

import numpy as np
from numpy.typing import NDArray

from acorn.forests import Ensemble, Member, PackedForest
from acorn.forests._trees.walking import arrivals


def alone(forest: PackedForest) -> Ensemble:
    """An ensemble of one forest, which reads all columns and predicts all its outputs."""
    return Ensemble([Member(forest, range(forest.n_features), range(forest.n_outputs))])


def predict(forest: PackedForest, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean over trees, shape (n, outputs)."""
    return alone(forest).distribution(X, range(forest.n_outputs))[0]


def contributions(
    forest: PackedForest, X: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Baseline of shape (outputs,), and path contributions of shape (n, features, outputs)."""
    found = alone(forest).attributions(X, range(forest.n_outputs))
    return np.array([a.baseline for a in found]), np.stack([a.contributions for a in found], axis=2)


def tree_predictions(forest: PackedForest, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Each tree's prediction, shape (trees, n, outputs)."""
    leaves = forest.nodes.leaf[arrivals(forest.nodes, forest.nodes.roots, np.ascontiguousarray(X))]
    values = forest.values[forest.code[leaves]].astype(np.float64)
    return values.reshape(forest.n_trees, len(X), forest.n_outputs)
