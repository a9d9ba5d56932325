"""Similarity of architectures by their features."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]

SCALE_SAMPLE = 500
"""Rows from which the scale of a kernel is estimated."""


def rank_transform(X: NDArray[np.float32]) -> Floats:
    """Replace each value by its rank in its column, scaled to mean 0 and variance 1.

    Proxies span orders of magnitude, and trees depend on their order alone. A missing value becomes
    0, and a constant column is left out.

    Parameters
    ----------
    X : numpy.ndarray
        Shape (n, features); NaN is missing.

    Returns
    -------
    numpy.ndarray
        Shape (n, features that vary); one column of zeros if none does.
    """
    columns = []
    for column in X.T:
        present = np.isfinite(column)
        if not present.any() or np.ptp(column[present]) == 0:
            continue
        ranks = rankdata(column[present])
        scaled = np.zeros(len(column))
        scaled[present] = (ranks - ranks.mean()) / max(float(ranks.std()), 1e-9)
        columns.append(scaled)
    return np.column_stack(columns) if columns else np.zeros((len(X), 1))


def squared_distances(A: Floats, B: Floats) -> Floats:
    """Squared Euclidean distances of shape (len(A), len(B))."""
    squares = np.square(A).sum(axis=1)[:, None] + np.square(B).sum(axis=1) - 2 * A @ B.T
    return np.maximum(squares, 0.0)


@dataclass(frozen=True)
class Kernel:
    """Prior covariance of the labels of architectures: ``exp(-d^2 / scale)``.

    Attributes
    ----------
    Z : numpy.ndarray
        Features on one scale, shape (n, features).
    scale : float
        Median squared distance between two architectures.
    """

    Z: Floats
    scale: float

    @classmethod
    def of(cls, Z: Floats, *, seed: int = 0) -> Self:
        """Estimate the scale from a sample of the rows.

        Parameters
        ----------
        Z : numpy.ndarray
            Features on one scale, shape (n, features).
        seed : int, default=0
            Seeds the sample.

        Returns
        -------
        Kernel
        """
        rows = np.random.default_rng(seed).permutation(len(Z))[:SCALE_SAMPLE]
        distances = squared_distances(Z[rows], Z[rows])
        between = distances[np.triu_indices(len(rows), 1)]
        scale = float(np.median(between)) if len(between) else 0.0
        return cls(Z, max(scale, 1e-9))

    def __call__(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
        """Covariances of shape (len(rows), len(columns))."""
        covariances: Floats = np.exp(-squared_distances(self.Z[rows], self.Z[columns]) / self.scale)
        return covariances
