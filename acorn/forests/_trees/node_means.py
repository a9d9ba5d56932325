"""Mean labels of the training rows of nodes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, Num
from numpy.typing import NDArray

from acorn.forests._trees.arrays import ForestArrays
from acorn.forests._trees.nodes import Ints, Nodes

Floats = NDArray[np.float64]

LARGE = 8
"""Least leaves of a subtree whose mean is kept. Most nodes have fewer leaves, so that this takes a
tenth of the memory of all means."""


class NodeMeans:
    """Means over the training rows of nodes, of each output of a forest.

    Parameters
    ----------
    forest : ForestArrays
        The trees.
    nodes : Nodes
        Their nodes.
    """

    def __init__(self, forest: ForestArrays, nodes: Nodes) -> None:
        self._forest, self._nodes = forest, nodes
        large = nodes.size >= 2 * LARGE - 1
        # Place of a large node among the large ones, or minus the size of a small one. A search for
        # the place would read ten times as much memory and take accordingly longer.
        self._place = np.where(large, np.cumsum(large) - 1, -nodes.size).astype(np.int32)
        self._kept = np.empty((np.count_nonzero(large), forest.n_outputs), np.float32)
        self._has = np.zeros(forest.n_outputs, bool)

    def at(
        self, nodes: Int64[Ints, " visits"], outputs: Sequence[int]
    ) -> Float64[Floats, "visits outputs"]:
        """Look up means.

        Parameters
        ----------
        nodes : ndarray of int64 of shape (visits,)
            Numbers of nodes.
        outputs : sequence of int
            Outputs to average.

        Returns
        -------
        ndarray of shape (visits, outputs)
            Mean of each output over the training rows of each node.
        """
        self._keep(outputs)
        place = self._place.take(nodes)
        is_large = place >= 0
        is_small = ~is_large
        means = np.empty((len(nodes), len(outputs)))
        means[is_large] = _of(outputs, self._kept.take(place[is_large], axis=0))
        means[is_small] = self._summed(nodes[is_small], -place[is_small], outputs)
        return means

    def _keep(self, outputs: Sequence[int]) -> None:
        """Compute the means of large nodes for outputs that lack them."""
        for output in outputs:
            if not self._has[output]:
                self._kept[:, output] = self._integrated(output)
                self._has[output] = True

    def _integrated(self, output: int) -> Float64[Floats, " large_nodes"]:
        """Means of the large nodes, as differences of running sums over all leaves."""
        forest = self._forest
        value = forest.values[:, output].astype(np.float64)
        centre = value.mean()  # running sums of small numbers have smaller rounding errors
        weight = _running(forest.count)
        weighted = _running(forest.count * (value - centre).take(forest.code))
        large = np.flatnonzero(self._place >= 0)
        first = self._nodes.leaf.take(large)
        last = first + _leaves(self._nodes.size.take(large))
        return centre + (weighted[last] - weighted[first]) / (weight[last] - weight[first])

    def _summed(
        self,
        nodes: Int64[Ints, " nodes"],
        size: Int32[NDArray[np.int32], " nodes"],
        outputs: Sequence[int],
    ) -> Float64[Floats, "nodes outputs"]:
        """Means of small nodes, leaf by leaf."""
        if not len(nodes):
            return np.empty((0, len(outputs)))
        leaves = _leaves(size)
        start = np.cumsum(leaves) - leaves
        leaf = np.repeat(self._nodes.leaf.take(nodes) - start, leaves) + np.arange(leaves.sum())
        weight = self._forest.count.take(leaf).astype(np.float64)
        value = _of(outputs, self._forest.values.take(self._forest.code.take(leaf), axis=0))
        return (
            np.add.reduceat(value * weight[:, None], start)
            / np.add.reduceat(weight, start)[:, None]
        )


def _running(terms: Num[NDArray[np.generic], " n"]) -> Float64[Floats, " n+1"]:
    return np.concatenate([[0.0], np.cumsum(terms, dtype=np.float64)])


def _leaves(size: Int32[NDArray[np.int32], " nodes"]) -> Int64[Ints, " nodes"]:
    """Number of leaves of subtrees: a binary tree has one leaf more than inner nodes."""
    return (size.astype(np.int64) + 1) // 2


def _of(
    outputs: Sequence[int], array: Float32[NDArray[np.float32], "n all_outputs"]
) -> Float32[NDArray[np.float32], "n outputs"]:
    """Select columns of an array, without a copy if all are wanted."""
    return array if list(outputs) == list(range(array.shape[1])) else array[:, outputs]
