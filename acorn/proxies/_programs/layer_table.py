"""Layer statistics of several networks, one below the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerTable:
    """Statistics of the layers of several networks, in the order of the networks.

    Attributes
    ----------
    starts : numpy.ndarray
        Row of the first layer of each network, shape (networks,).
    columns : mapping of str to numpy.ndarray
        Columns of :data:`~acorn.proxies._programs.layer_statistics.STATISTICS`: values of all
        layers, shape (layers of all networks,).
    """

    starts: NDArray[np.int64]
    columns: Mapping[str, Floats]

    @classmethod
    def joined(cls, tables: Sequence["LayerTable"]) -> Self:
        """Put tables of the same columns one below the other."""
        lengths = [len(next(iter(table.columns.values()))) for table in tables]
        offsets = np.cumsum([0, *lengths[:-1]])
        starts = [table.starts + offset for table, offset in zip(tables, offsets, strict=True)]
        columns = {
            name: np.concatenate([table.columns[name] for table in tables])
            for name in tables[0].columns
        }
        return cls(np.concatenate(starts), columns)

    @property
    def depths(self) -> NDArray[np.int64]:
        """Number of layers of each network, shape (networks,)."""
        return np.diff(self.starts, append=len(next(iter(self.columns.values()))))

    def sums(self, x: Floats) -> Floats:
        """Sum over the layers of each network: shape (layers,) to shape (networks,)."""
        sums: Floats = np.add.reduceat(x, self.starts)
        return sums

    def per_layer(self, x: Floats) -> Floats:
        """Repeat the number of each network for each layer: shape (networks,) to (layers,)."""
        return np.repeat(x, self.depths)
