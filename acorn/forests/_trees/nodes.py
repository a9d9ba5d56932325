"""Nodes of trees, laid out for traversal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int16, Int32, Int64
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Nodes:
    """Arrays over all nodes of all trees, in preorder. The children of a leaf are the leaf itself.

    Attributes
    ----------
    roots : ndarray of shape (trees,)
        Root of each tree.
    feature, threshold, missing_left : ndarray of shape (nodes,)
        Test of each node; a leaf has the threshold NaN.
    step : ndarray of shape (nodes,)
        Distance from the node to its right child; 0 for a leaf.
    size : ndarray of shape (nodes,)
        Number of nodes in the subtree.
    leaf : ndarray of shape (nodes,)
        Number of leaves before the node.
    """

    roots: Int64[Ints, " trees"]
    feature: Int16[NDArray[np.int16], " nodes"]
    threshold: Float32[NDArray[np.float32], " nodes"]
    missing_left: Bool[NDArray[np.bool_], " nodes"]
    step: Int32[NDArray[np.int32], " nodes"]
    size: Int32[NDArray[np.int32], " nodes"]
    leaf: Int32[NDArray[np.int32], " nodes"]

    @property
    def right(self) -> Int64[Ints, " nodes"]:
        """Right child of each node."""
        return np.arange(len(self.step)) + self.step

    @property
    def end(self) -> Int64[Ints, " nodes"]:
        """One past the last node of each subtree."""
        return np.arange(len(self.size)) + self.size


def join(
    parts: Sequence[Nodes], columns: Sequence[Sequence[int]]
) -> tuple[Nodes, list[Int64[Ints, " _trees"]]]:
    """Lay out several forests as one.

    Parameters
    ----------
    parts : sequence of Nodes
        Nodes of each forest.
    columns : sequence of sequence of int
        For each forest, the columns of the common input that its features are.

    Returns
    -------
    nodes : Nodes
        All nodes; ``leaf`` counts within each forest.
    roots : list of ndarray
        Roots of each forest.
    """
    sizes = [len(part.step) for part in parts]
    offsets = np.cumsum(sizes) - sizes
    roots = [part.roots + offset for part, offset in zip(parts, offsets, strict=True)]
    feature = [
        np.asarray(of_forest, np.int16).take(part.feature)
        for part, of_forest in zip(parts, columns, strict=True)
    ]
    others = ("threshold", "missing_left", "step", "size", "leaf")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in others}
    return Nodes(roots=np.concatenate(roots), feature=np.concatenate(feature), **joined), roots
