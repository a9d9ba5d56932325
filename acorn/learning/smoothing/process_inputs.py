"""Standardisation of features for the Gaussian process."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]

FAR = 10.0
"""Distance from the mean, in standard deviations, beyond which a column counts as heavy-tailed."""

SAME = 1.0 - 1e-9
"""Least correlation of columns that count as copies."""


def standardised(X: NDArray[np.float32]) -> Floats:
    """Put columns on one scale: zero mean, unit variance, no constants and no copies.

    Proxies span orders of magnitude, so that a single network could be far from all others.
    Heavy-tailed columns are therefore replaced by their ranks. Missing values become the median.

    Parameters
    ----------
    X : ndarray of float32 of shape (n, features)
        Features; NaN is missing.

    Returns
    -------
    ndarray of shape (n, columns)
        Standardised columns, at least one.
    """
    columns = [scaled for column in X.T if (scaled := _standardised(column)) is not None]
    if not columns:
        return np.zeros((len(X), 1))
    Z = np.column_stack(columns)
    alike = np.abs(Z.T @ Z) / len(Z) >= SAME
    return Z[:, ~np.triu(alike, 1).any(axis=0)]


def _standardised(column: NDArray[np.float32]) -> Floats | None:
    """Standardise a column; None if it does not vary."""
    present = np.isfinite(column)
    if not present.any():
        return None
    filled = np.where(present, column, np.median(column[present])).astype(np.float64)
    centred = filled - filled.mean()
    spread = centred.std()
    if spread <= 1e-9 * np.abs(filled).max():
        return None
    if np.abs(centred).max() > FAR * spread:
        ranks = rankdata(filled)
        centred = ranks - ranks.mean()
    return centred / centred.std()
