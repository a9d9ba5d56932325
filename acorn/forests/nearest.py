"""Finds the rows of a table that the trees of an ensemble tell apart the latest.

The distance of two rows is the mean, over trees, of the share of all rows that reach the smallest
node which both reach. It needs no scale of the features: rows are near if few others lie between
them, and features count as often as the trees test them. Fully grown trees have a leaf for nearly
every row, so that the share of trees in which two rows have the same leaf would be 0 for most.

References
----------
Ting et al., Overcoming key weaknesses of distance-based neighbourhood methods using a data
dependent dissimilarity measure, KDD 2016 (the same distance, by isolation trees).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from numpy.typing import NDArray

from acorn.forests._trees.nodes import Ints
from acorn.forests._trees.walking import arrivals, portions, trail
from acorn.forests.ensemble import Ensemble

Rows = Float32[NDArray[np.float32], "n features"]
PerRow = Float64[NDArray[np.float64], " rows"]


@dataclass(frozen=True, eq=False)
class _Places:
    """Where the rows are in the trees of a member.

    Attributes
    ----------
    leaves : ndarray of int32 of shape (trees, rows)
        Leaves of all rows in each tree, ascending.
    place : ndarray of int32 of shape (trees, rows)
        Place of each row's leaf among them.
    """

    leaves: Int32[NDArray[np.int32], "trees rows"]
    place: Int32[NDArray[np.int32], "trees rows"]


class NearestRows:
    """Rows of a table, by their leaves in the trees of an ensemble.

    Parameters
    ----------
    ensemble : Ensemble
        The forests.
    X : ndarray of float32 of shape (rows, features)
        Features of the rows, at least one; NaN is missing.
    """

    def __init__(self, ensemble: Ensemble, X: Rows) -> None:
        self._ensemble = ensemble
        self._X = X
        self._places: dict[int, _Places] = {}

    def distances(
        self, x: Float32[NDArray[np.float32], "1 features"], targets: Sequence[int]
    ) -> PerRow:
        """Compute the distance of one row to all rows of the table.

        Parameters
        ----------
        x : ndarray of float32 of shape (1, features)
            Features; NaN is missing.
        targets : sequence of int
            Numbers of targets; the trees that predict any of them count, with their weights.

        Returns
        -------
        ndarray of shape (rows,)
            From above 0 to 1.
        """
        total, trees = np.zeros(len(self._X)), 0.0
        for share in self._ensemble.shares(targets):
            member = share.member
            total += member.weight * self._common(share.number, x)
            trees += member.weight * member.forest.n_trees
        return total / (trees * len(self._X))

    def _common(
        self, number: int, x: Float32[NDArray[np.float32], "1 features"]
    ) -> Int64[Ints, " rows"]:
        """Count the rows in the smallest node with both rows, summed over the trees of a member."""
        nodes, roots = self._ensemble.trees(number)
        places = self._places_of(number)
        path = trail(nodes, roots, x)
        order = np.argsort(path.pair, kind="stable")  # tree by tree, from the root down
        node, tree = path.node[order].astype(np.int32), path.pair[order]
        offset = tree * len(self._X)
        leaves = places.leaves.ravel()  # ascending over all trees, as nodes are numbered
        first = (leaves.searchsorted(node) - offset).tolist()
        last = (leaves.searchsorted(node + nodes.size.take(node)) - offset).tolist()
        total = np.zeros(len(self._X), np.int64)
        common = np.empty(len(self._X), np.int32)
        ends = tree.searchsorted(np.arange(len(roots)), side="right").tolist()
        start = 0
        for place, end in zip(places.place, ends, strict=True):
            for a, b in zip(first[start:end], last[start:end], strict=True):
                common[a:b] = b - a
            total += common.take(place)
            start = end
        return total

    def _places_of(self, number: int) -> _Places:
        if number not in self._places:
            nodes, roots = self._ensemble.trees(number)
            parts = [
                arrivals(nodes, roots, rows).reshape(len(roots), -1).astype(np.int32)
                for _, rows in portions(self._X)
            ]
            leaves = np.concatenate(parts, axis=1)
            order = leaves.argsort(axis=1, kind="stable")
            place = np.empty_like(leaves)
            np.put_along_axis(place, order, np.arange(leaves.shape[1], dtype=np.int32)[None], 1)
            self._places[number] = _Places(np.take_along_axis(leaves, order, 1), place)
        return self._places[number]
