"""Standardisation of features for the Gaussian process."""

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray
from scipy.stats import rankdata

from acorn.learning.smoothing.scores import normal_quantiles

Floats = NDArray[np.float64]

FAR = 10.0
"""Distance from the mean, in standard deviations, beyond which a column counts as heavy-tailed."""

SAME = 1.0 - 1e-9
"""Least correlation of columns that count as copies."""


def standardised(
    X: Float32[NDArray[np.float32], "n features"],
) -> Float64[Floats, "n columns"]:
    """Put columns on one scale: zero mean, unit variance, no constants and no copies.

    Proxies span orders of magnitude, so that one network could be at a large distance from all
    others. Heavy-tailed columns are therefore replaced by their ranks. Missing values become the
    median.

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


def isotropically_scaled(
    X: Float32[NDArray[np.float32], "n features"],
) -> Float64[Floats, "n columns"]:
    """Divide the normal scores of columns by the root of their number.

    Parameters
    ----------
    X : ndarray of float32 of shape (n, features)
        Features; NaN is missing.

    Returns
    -------
    ndarray of shape (n, columns)
        Two rows that differ in every column by a standard deviation have distance 1. Constant
        columns are left out; at least one column.
    """
    Z = column_scores(X)
    return Z / np.sqrt(Z.shape[1]) if Z.shape[1] else np.zeros((len(X), 1))


def column_scores(
    X: Float32[NDArray[np.float32], "n features"],
) -> Float64[Floats, "n columns"]:
    """Replace columns by their normal scores.

    Parameters
    ----------
    X : ndarray of float32 of shape (n, features)
        Features; NaN is missing, and becomes the median.

    Returns
    -------
    ndarray of shape (n, columns)
        Columns of zero mean and unit variance. Constant columns are left out; there may be none.
    """
    present = np.isfinite(X)
    X = np.where(present, X, np.nan)[:, present.any(axis=0)]
    filled = np.where(np.isnan(X), np.nanmedian(X, axis=0), X).astype(np.float64)
    scores = normal_quantiles(filled[:, np.ptp(filled, axis=0) > 0])
    centred: Float64[Floats, "n columns"] = scores - scores.mean(axis=0)
    return centred / centred.std(axis=0)


def _standardised(column: Float32[NDArray[np.float32], " n"]) -> Float64[Floats, " n"] | None:
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
