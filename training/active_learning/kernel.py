"""Similarity of architectures by their features."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from scipy.stats import rankdata
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]

PRIOR_SHARE = 0.5
"""Share of the linear function of the prior in the variance of the labels."""

SCALE_SAMPLE = 500
"""Number of rows from which the scale of a kernel is estimated."""


def rank_transform(X: NDArray[np.float32]) -> Floats:
    """Replace each value by its rank in its column, scaled to mean 0 and variance 1.

    Proxies span orders of magnitude, and trees depend only on the order of their values. A missing
    value becomes 0, and a constant column is left out.

    Parameters
    ----------
    X : numpy.ndarray
        Shape (n, features); NaN is missing.

    Returns
    -------
    numpy.ndarray
        Shape (n, features that vary); one column of zeros if none does.
    """
    values = np.where(np.isfinite(X), X, np.nan)
    varied = np.fmax.reduce(values, axis=0) > np.fmin.reduce(values, axis=0)
    if not varied.any():
        return np.zeros((len(X), 1))
    ranks = rankdata(values[:, varied], axis=0, nan_policy="omit")
    Z: Floats = np.nan_to_num(StandardScaler().fit_transform(ranks))
    return Z


@dataclass(frozen=True)
class Kernel:
    """Prior covariance of the labels of architectures.

    A label is the sum of a smooth function of all features, of covariance ``exp(-d^2 / scale)``,
    and of a linear function of features with which accuracy usually rises, as in the learner for
    few labels.

    Attributes
    ----------
    Z : numpy.ndarray
        Features on one scale, shape (n, features).
    scale : float
        Median squared distance between two architectures.
    prior : numpy.ndarray
        Columns of the linear function, shape (n, columns); there may be none.
    """

    Z: Floats
    scale: float
    prior: Floats

    @classmethod
    def of(cls, Z: Floats, prior: Floats | None = None, *, seed: int = 0) -> Self:
        """Estimate the scale from a sample of the rows.

        Parameters
        ----------
        Z : numpy.ndarray
            Features on one scale, shape (n, features).
        prior : numpy.ndarray, optional
            Columns of the linear function, shape (n, columns); by default there are none.
        seed : int, default=0
            Seeds the sample.

        Returns
        -------
        Kernel
        """
        rows = np.random.default_rng(seed).permutation(len(Z))[:SCALE_SAMPLE]
        distances = pdist(Z[rows], "sqeuclidean")
        scale = max(float(np.median(distances)), 1e-9) if len(distances) else 1e-9
        return cls(Z, scale, np.empty((len(Z), 0)) if prior is None else prior)

    @cached_property
    def _linear(self) -> tuple[float, Floats]:
        """Share of the linear function, and its columns, of a mean variance of that share."""
        size = float(np.square(self.prior).sum(axis=1).mean())
        if not size > 0:
            return 0.0, self.prior
        return PRIOR_SHARE, self.prior * np.sqrt(PRIOR_SHARE / size)

    def variance(self, rows: NDArray[np.int64]) -> Floats:
        """Variances of the labels of architectures, shape (n,).

        Parameters
        ----------
        rows : numpy.ndarray
            Rows of :attr:`Z`, shape (n,).
        """
        share, linear = self._linear
        variances: Floats = 1 - share + np.square(linear[rows]).sum(axis=1)
        return variances

    def __call__(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
        """Covariances of the labels of architectures.

        Parameters
        ----------
        rows, columns : numpy.ndarray
            Rows of :attr:`Z`, shapes (n,) and (m,).

        Returns
        -------
        numpy.ndarray
            Shape (n, m).
        """
        distances = cdist(self.Z[rows], self.Z[columns], "sqeuclidean")
        share, linear = self._linear
        covariances: Floats = (1 - share) * np.exp(-distances / self.scale)
        covariances += linear[rows] @ linear[columns].T
        return covariances
