"""How alike two functions are, by their features."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]

SAMPLE = 500
"""Rows that say how far apart rows are."""


def ranked(X: NDArray[np.float32]) -> Floats:
    """Put features on one scale: the rank of each value in its column, with unit variance.

    Proxies span orders of magnitude, and their order is all that trees see of them. What is
    missing lies in the middle, and what does not vary is left out.

    Parameters
    ----------
    X
        Shape (n, features), NaN where a value is missing.
    """
    columns = []
    for column in X.T:
        there = np.isfinite(column)
        if not there.any() or np.ptp(column[there]) == 0:
            continue
        ranks = rankdata(column[there])
        scaled = np.zeros(len(column))
        scaled[there] = (ranks - ranks.mean()) / max(float(ranks.std()), 1e-9)
        columns.append(scaled)
    return np.column_stack(columns) if columns else np.zeros((len(X), 1))


def squared_distances(A: Floats, B: Floats) -> Floats:
    """Squared Euclidean distances of shape (len(A), len(B))."""
    found = np.square(A).sum(axis=1)[:, None] + np.square(B).sum(axis=1) - 2 * A @ B.T
    return np.maximum(found, 0.0)


@dataclass(frozen=True)
class Kernel:
    """Prior covariance of the labels of functions: ``exp(-d^2 / scale)``.

    Attributes
    ----------
    Z
        Features on one scale, shape (n, features).
    scale
        The median squared distance between two functions.
    """

    Z: Floats
    scale: float

    @classmethod
    def of(cls, Z: Floats, *, seed: int = 0) -> "Kernel":
        """Take the scale from some of the rows."""
        rows = np.random.default_rng(seed).permutation(len(Z))[:SAMPLE]
        distances = squared_distances(Z[rows], Z[rows])
        between = distances[np.triu_indices(len(rows), 1)]
        scale = float(np.median(between)) if len(between) else 0.0
        return cls(Z, max(scale, 1e-9))

    def __call__(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
        """Covariances of shape (len(rows), len(columns))."""
        found: Floats = np.exp(-squared_distances(self.Z[rows], self.Z[columns]) / self.scale)
        return found
