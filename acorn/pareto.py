"""Pareto fronts: rows that no other row dominates."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pareto_front(values: Floats) -> NDArray[np.int64]:
    """List the rows that no other row dominates.

    Parameters
    ----------
    values : ndarray of float, shape (n, objectives)
        More is better. A row dominates another if it is nowhere worse and somewhere better, so
        equal rows do not dominate each other.

    Returns
    -------
    ndarray of int, shape (k,)
        Indices of the rows on the front, the largest first objective first.
    """
    # No row is dominated by one with a smaller sum of objectives.
    order = np.argsort(-values.sum(axis=1), kind="stable")
    remaining = values[order]
    place = 0
    while place < len(remaining):
        row = remaining[place]
        dominated = (remaining <= row).all(axis=1) & (remaining < row).any(axis=1)
        order, remaining = order[~dominated], remaining[~dominated]
        place += 1
    rows = np.sort(order)
    return rows[np.lexsort(-values[rows].T[::-1])]
