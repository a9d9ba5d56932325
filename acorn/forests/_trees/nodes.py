"""Nodes of trees, laid out for traversal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
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

    roots: Ints
    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    step: NDArray[np.int32]
    size: NDArray[np.int32]
    leaf: NDArray[np.int32]

    @property
    def right(self) -> Ints:
        """Right child of each node."""
        return np.arange(len(self.step)) + self.step

    @property
    def end(self) -> Ints:
        """One past the last node of each subtree."""
        return np.arange(len(self.size)) + self.size


def join(parts: Sequence[Nodes], columns: Sequence[Sequence[int]]) -> tuple[Nodes, list[Ints]]:
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
