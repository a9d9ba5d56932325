"""Checks trees in preorder, and finds the children and the subtree of every node.

A tree in preorder takes one bit for each node (inner node or leaf) and has no child pointers, so
that it cannot have a cycle or a node with two parents. Let the *pending count* of a node be the
number of right subtrees that are still to come when preorder reaches it: the number of left turns
on its path.
The left child of node ``i`` is ``i + 1``. Inside the left subtree the count is higher, so the right
child is the next node with the count of ``i``. Following right children from ``i`` ends in the last
leaf of its subtree. Sorting the nodes by their pending count therefore finds all children, and the
ends of all subtrees, at once.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, Shaped
from numpy.typing import NDArray

from acorn.errors import BundleError
from acorn.forests._trees.arrays import ForestArrays
from acorn.forests._trees.nodes import Ints, Nodes


def layout(forest: ForestArrays) -> Nodes:
    """Check every tree and lay out its nodes.

    Parameters
    ----------
    forest : ForestArrays
        The trees.

    Returns
    -------
    Nodes
        Nodes of all trees.

    Raises
    ------
    BundleError
        If the arrays do not form trees; names the tree and the node.
    """
    _check_arrays(forest)
    sizes = forest.sizes.astype(np.int64)
    leaf = np.unpackbits(forest.leaf_bits, count=int(sizes.sum())).astype(bool)
    tree = np.repeat(np.arange(len(sizes)), sizes)
    # The pending count starts at 0. An inner node adds one, a leaf subtracts one, and a tree ends
    # when the count is -1. `tree` compensates for the ends of the previous trees.
    after = np.cumsum(np.where(leaf, -1, 1)) + tree
    before = after - np.where(leaf, -1, 1)
    _check_shape(forest, tree, after)
    _check_nodes(forest, tree, leaf)

    small = np.uint16 if before.max() <= np.iinfo(np.uint16).max else np.uint32  # sorts in O(n)
    order = np.argsort(before.astype(small), kind="stable").astype(np.int32)
    ordered_leaf = leaf[order]
    step = np.zeros(len(leaf), np.int32)
    inner = np.flatnonzero(~ordered_leaf)
    step[order[inner]] = order[inner + 1] - order[inner]
    place = np.where(ordered_leaf, np.arange(len(leaf)), len(leaf))
    size = np.empty(len(leaf), np.int32)
    size[order] = order[np.minimum.accumulate(place[::-1])[::-1]] + 1 - order

    missing = np.unpackbits(forest.missing_left_bits, count=len(forest.feature)).astype(bool)
    return Nodes(
        roots=np.cumsum(sizes) - sizes,
        feature=_spread(forest.feature, ~leaf, 0),
        threshold=_spread(
            forest.threshold, ~leaf, np.nan
        ),  # no value is below NaN, so that rows stay in a leaf
        missing_left=_spread(missing, ~leaf, False),
        step=step,
        size=size,
        leaf=(np.cumsum(leaf) - leaf).astype(np.int32),
    )


def _check_arrays(forest: ForestArrays) -> None:
    if not 0 < forest.n_features <= np.iinfo(np.int16).max:
        raise BundleError(f"a forest on {forest.n_features} features; expected 1 to 32767")
    if forest.sizes.ndim != 1 or not len(forest.sizes) or not (forest.sizes % 2 == 1).all():
        raise BundleError("expected at least one tree, each of an odd number of nodes")
    if forest.values.ndim != 2 or 0 in forest.values.shape:
        raise BundleError(f"values have shape {forest.values.shape}; expected (codes, outputs)")
    if not np.isfinite(forest.values).all():
        place = int(np.argmin(np.isfinite(forest.values).all(axis=1)))
        raise BundleError(f"row {place} of values is not finite")
    nodes = int(forest.sizes.astype(np.int64).sum())
    leaves = (nodes + len(forest.sizes)) // 2
    inner = nodes - leaves
    for name, length in (
        ("leaf_bits", -(-nodes // 8)),
        ("missing_left_bits", -(-inner // 8)),
        ("feature", inner),
        ("threshold", inner),
        ("count", leaves),
        ("code", leaves),
    ):
        if getattr(forest, name).shape != (length,):
            got = getattr(forest, name).shape
            raise BundleError(f"{name} has shape {got}; expected ({length},)")
    if nodes > np.iinfo(np.int32).max:
        raise BundleError(f"a forest of {nodes} nodes; expected at most {np.iinfo(np.int32).max}")


def _check_shape(
    forest: ForestArrays, tree: Int64[Ints, " nodes"], after: Int64[Ints, " nodes"]
) -> None:
    last = np.cumsum(forest.sizes.astype(np.int64)) - 1
    expected_end = np.zeros(len(tree), bool)
    expected_end[last] = True
    wrong = (after < 0) != expected_end
    if wrong.any():
        _refuse(forest, wrong, tree, "its nodes do not form one binary tree in preorder")


def _check_nodes(
    forest: ForestArrays, tree: Int64[Ints, " nodes"], leaf: Bool[NDArray[np.bool_], " nodes"]
) -> None:
    inner = ~leaf
    outside = (forest.feature < 0) | (forest.feature >= forest.n_features)
    feature = forest.feature[_first(outside)] if len(outside) else 0
    # +inf is allowed: every value goes to the left, and a missing one to the right
    undefined = np.isnan(forest.threshold) | np.isneginf(forest.threshold)
    empty = ~(np.isfinite(forest.count) & (forest.count > 0))
    beyond = forest.code >= len(forest.values)
    for wrong, nodes, why in (
        (outside, inner, f"feature {feature} is not one of {forest.n_features}"),
        (undefined, inner, "its threshold is not a number"),
        (empty, leaf, "a leaf holds no training row"),
        (beyond, leaf, "a leaf points to a value that does not exist"),
    ):
        if wrong.any():
            _refuse(forest, _spread(wrong, nodes, False), tree, why)


def _refuse(
    forest: ForestArrays,
    wrong: Bool[NDArray[np.bool_], " nodes"],
    tree: Int64[Ints, " nodes"],
    why: str,
) -> None:
    position = _first(wrong)
    which = int(tree[position])
    start = int(forest.sizes[:which].astype(np.int64).sum())
    raise BundleError(f"tree {which}, node {position - start}: {why}")


def _spread(
    values: Shaped[NDArray[Any], " selected"],
    where: Bool[NDArray[np.bool_], " nodes"],
    rest: Any,
) -> Shaped[NDArray[Any], " nodes"]:
    """Make an array over all nodes: ``values`` at the nodes of ``where``, else ``rest``."""
    full = np.full(len(where), rest, values.dtype)
    full[where] = values
    return full


def _first(condition: Bool[NDArray[np.bool_], " n"]) -> int:
    return int(condition.argmax())
