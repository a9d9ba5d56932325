"""Rank correlations of features, with similar features next to each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

Floats = NDArray[np.float64]


def correlation_map(X: NDArray[np.float32], columns: Sequence[int]) -> tuple[list[int], Floats]:
    """Spearman correlations of columns, in the order of an average-linkage clustering.

    Parameters
    ----------
    X : numpy.ndarray
        Shape (rows, features); NaN is missing, and ranks below all values.
    columns : sequence of int
        Columns to use; constant ones are left out.

    Returns
    -------
    columns : list of int
        Columns in order.
    correlations : numpy.ndarray
        Shape (columns, columns).
    """
    filled = np.where(np.isnan(X), np.float32(-np.inf), X)
    varied = [column for column in columns if (filled[:, column] != filled[0, column]).any()]
    if len(varied) < 2:
        return varied, np.ones((len(varied), len(varied)))
    rho = np.corrcoef(rankdata(filled[:, varied], axis=0), rowvar=False)
    distance = (1 - np.abs(rho)).clip(0)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    order = leaves_list(tree)
    return [varied[place] for place in order], rho[np.ix_(order, order)]
