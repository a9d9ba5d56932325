"""Pareto fronts: rows that no other row dominates."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def is_best(values: Floats) -> NDArray[np.bool_]:
    """Mark the rows that no other row dominates.

    Parameters
    ----------
    values : ndarray of float, shape (n, objectives)
        More is better. A row dominates another if it is nowhere worse and somewhere better, so
        equal rows do not dominate each other.

    Returns
    -------
    ndarray of bool, shape (n,)
        Whether each row is on the front.
    """
    # No row is dominated by one with a smaller sum of objectives.
    order = np.argsort(-values.sum(axis=1), kind="stable")
    left = values[order]
    place = 0
    while place < len(left):
        rival = left[place]
        beaten = (left <= rival).all(axis=1) & (left < rival).any(axis=1)
        order, left = order[~beaten], left[~beaten]
        place += 1
    best = np.zeros(len(values), bool)
    best[order] = True
    return best


def pareto_front(values: Floats) -> NDArray[np.int64]:
    """List the rows that no other row dominates.

    Parameters
    ----------
    values : ndarray of float, shape (n, objectives)
        More is better.

    Returns
    -------
    ndarray of int, shape (k,)
        Indices of the rows of :func:`is_best`, the largest first objective first.
    """
    rows = np.flatnonzero(is_best(values))
    return rows[np.lexsort(-values[rows].T[::-1])]
