"""Rows of groups in turn."""

import numpy as np
import polars as pl
from numpy.typing import NDArray


def turns(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the earlier rows of the group of each row.

    Parameters
    ----------
    groups : numpy.ndarray
        Group of each row, shape (rows,).

    Returns
    -------
    numpy.ndarray
        Shape (rows,): 0 for the first row of a group, 1 for the second, and so on.
    """
    table = pl.DataFrame({"group": groups})
    return table.select(pl.int_range(pl.len()).over("group")).to_series().to_numpy()
