"""What the trees of one forest predict, as tests ask for it."""

import numpy as np

from acorn.forests import Ensemble, Member
from acorn.forests._trees.walking import arrivals


def alone(forest):
    """An ensemble of one forest, which reads all columns and predicts all its outputs."""
    return Ensemble([Member(forest, range(forest.n_features), range(forest.n_outputs))])


def predict(forest, X):
    """Mean over trees, shape (n, outputs)."""
    return alone(forest).distribution(X, range(forest.n_outputs))[0]


def contributions(forest, X):
    """Baseline of shape (outputs,), and path contributions of shape (n, features, outputs)."""
    found = alone(forest).attributions(X, range(forest.n_outputs))
    return np.array([a.baseline for a in found]), np.stack([a.contributions for a in found], axis=2)


def tree_predictions(forest, X):
    """Each tree's prediction, shape (trees, n, outputs)."""
    leaves = forest.nodes.leaf[arrivals(forest.nodes, forest.nodes.roots, np.ascontiguousarray(X))]
    values = forest.values[forest.code[leaves]].astype(np.float64)
    return values.reshape(forest.n_trees, len(X), forest.n_outputs)
