"""Where the proxies of an architecture lie among those of its space, by a bundle's table."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from acorn.features.feature_table import FeatureTable, split_row_id


@dataclass(frozen=True, slots=True)
class ProxyPercentile:
    """The value of a proxy, compared with those of other architectures.

    Attributes
    ----------
    value : float
        Value of the proxy.
    percentile : float
        Percent of the compared rows with a smaller value; rows with an equal one count half.
    rows : int
        Rows that were compared, that of the architecture among them.
    """

    value: float
    percentile: float
    rows: int


class ProxyPercentiles:
    """Compares the proxies of an architecture with those of its space. Thread-safe.

    Compared are the rows of the table that belong to the same space and image size and have a
    value. A table may have proxies that its forest does not read, and of some rows only.

    Parameters
    ----------
    table : FeatureTable
        The table of a bundle.

    Attributes
    ----------
    names : tuple of str
        The proxies of the table.
    """

    def __init__(self, table: FeatureTable) -> None:
        self._table = table
        self.names = tuple(name for name in table.feature_names if "." not in name)
        self._columns = cache(self._sort)

    def of(self, row_id: str) -> dict[str, ProxyPercentile]:
        """Compare the proxies of one architecture.

        Parameters
        ----------
        row_id : str
            Key of its row, as :func:`~acorn.features.feature_table.row_id` makes it.

        Returns
        -------
        dict of str to ProxyPercentile
            By name; proxies without a value are left out. Empty if the table has no such row.
        """
        row = self._table.row(row_id) if self.names else None
        if row is None:
            return {}
        columns = self._columns(*_population(row_id))
        values = ((name, row.values[name]) for name in self.names)
        return {
            name: _compared(value, columns[name]) for name, value in values if value is not None
        }

    def _sort(self, space: str, size: int | None) -> dict[str, Float64[NDArray[np.float64], " n"]]:
        """Sort the known values of each proxy over the rows of a space and image size."""
        is_member = [_population(id_) == (space, size) for id_ in self._table.ids]
        frame = self._table.frame.select(self.names).filter(is_member)
        return {name: frame[name].drop_nulls().sort().to_numpy() for name in self.names}


def _population(row_id: str) -> tuple[str, int | None]:
    """Split a key into space and image size; the latter is None for that of the dataset."""
    id_, size = split_row_id(row_id)
    return id_.partition("/")[0], size


def _compared(value: float, ordered: Float64[NDArray[np.float64], " n"]) -> ProxyPercentile:
    below, not_above = (int(ordered.searchsorted(value, side)) for side in ("left", "right"))
    return ProxyPercentile(value, 50 * (below + not_above) / len(ordered), len(ordered))
