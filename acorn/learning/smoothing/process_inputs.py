"""Features as a Gaussian process reads them."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]

FAR = 10.0
"""Standard deviations from the mean beyond which a column counts as heavy-tailed."""

SAME = 1.0 - 1e-9
"""Correlation from which on two columns say the same."""


def standardised(X: NDArray[np.float32]) -> Floats:
    """Put columns on one scale: zero mean, unit variance, no constants and no copies.

    Proxies span orders of magnitude, so that one network would be far from all others: heavy-tailed
    columns are replaced by their ranks. A missing value stands at the median.

    Parameters
    ----------
    X
        Shape (n, features), NaN where a value is missing.
    """
    columns = [scaled for column in X.T if (scaled := _standardised(column)) is not None]
    if not columns:
        return np.zeros((len(X), 1))
    Z = np.column_stack(columns)
    alike = np.abs(Z.T @ Z) / len(Z) >= SAME
    return Z[:, ~np.triu(alike, 1).any(axis=0)]


def _standardised(column: NDArray[np.float32]) -> Floats | None:
    """The column on the common scale; None where it does not vary."""
    there = np.isfinite(column)
    if not there.any():
        return None
    filled = np.where(there, column, np.median(column[there])).astype(np.float64)
    centred = filled - filled.mean()
    spread = centred.std()
    if spread <= 1e-9 * np.abs(filled).max():
        return None
    if np.abs(centred).max() > FAR * spread:
        ranks = rankdata(filled)
        centred = ranks - ranks.mean()
    return centred / centred.std()
