"""The way of rows down the trees of a forest, all trees and rows at once, one level at a time.

A (tree, row) pair is one number, ``tree * rows + row``. What costs is the number of calls of numpy,
not their size, so all trees of an ensemble go down together.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acorn.forests._trees.nodes import Ints, Nodes

PAIRS_AT_ONCE = 1 << 13
"""Pairs that go down together where there are many: what is known of them stays in the cache."""

ROWS_AT_ONCE = 512
"""Rows whose leaves are held at once: bounds memory."""

CREDITS_AT_ONCE = 1 << 16
"""(tree, row, output) triples that are explained at once, on each of some fifteen levels."""

_STILL_MOVING = 0.75
"""Pairs that have arrived are dropped when more than the rest of this share have."""


def arrivals(nodes: Nodes, roots: Ints, X: NDArray[np.float32]) -> Ints:
    """Leaf nodes of every pair, shape (trees * rows,).

    Parameters
    ----------
    nodes
        Of one forest or several.
    roots
        Of the trees to go down.
    X
        Shape (rows, features), contiguous; NaN is missing.
    """
    arrived = np.repeat(roots, len(X))
    # With many rows, a few trees after the other: their nodes stay in the cache.
    trees = max(1, PAIRS_AT_ONCE // max(1, len(X)))
    for start in range(0, len(roots), trees):
        own = arrived[start * len(X) : (start + trees) * len(X)]
        for pairs, _, to in steps(nodes, roots[start : start + trees], X):
            own[pairs] = to
    return arrived


def steps(nodes: Nodes, roots: Ints, X: NDArray[np.float32]) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Go down by one level: some pairs, the nodes that they leave, and those they come to.

    All pairs that are not yet in a leaf move; one that is may be among them, and stays.
    """
    at = np.repeat(roots, len(X))
    values = X.ravel()
    start = np.tile(np.arange(len(X)) * X.shape[1], len(roots)) if len(X) > 1 else None
    missing = bool(np.isnan(X).any())
    pairs = np.arange(len(at))
    while len(at):
        cell: NDArray[np.integer] = nodes.feature.take(at)
        x = values.take(cell if start is None else start + cell)
        left = x <= nodes.threshold.take(at)
        if missing:
            left |= np.isnan(x) & nodes.missing_left.take(at)
        step = nodes.step.take(at)
        moves = step != 0
        step[left] = 1
        moving = int(np.count_nonzero(moves))
        if not moving:
            return
        if moving < _STILL_MOVING * len(at):
            pairs, at, step = pairs[moves], at[moves], step[moves]
            start = None if start is None else start[moves]
        to = at + step
        yield pairs, at, to
        at = to


class Trail(NamedTuple):
    """All nodes that pairs come through: first every root, then level by level.

    Attributes
    ----------
    node
        The nodes.
    pair
        Whose each is.
    origin
        Place, in these arrays, of the node before; a root's own.
    feature
        Tested there; 0 for a root.
    """

    node: Ints
    pair: Ints
    origin: Ints
    feature: NDArray[np.int16]

    def part(self, first: int, last: int) -> "Trail":
        """The trail of the pairs from ``first`` up to ``last``, which are numbered from 0 anew."""
        own = (self.pair >= first) & (self.pair < last)
        place = np.cumsum(own) - 1
        return Trail(
            self.node[own], self.pair[own] - first, place[self.origin[own]], self.feature[own]
        )


def trail(nodes: Nodes, roots: Ints, X: NDArray[np.float32]) -> Trail:
    """Write down the way of every pair; parameters are those of :func:`arrivals`."""
    start = np.repeat(roots, len(X))
    latest = np.arange(len(start))  # where in the trail each pair is
    parts = [Trail(start, latest.copy(), latest.copy(), np.zeros(len(start), np.int16))]
    end = len(start)
    for pairs, at, to in steps(nodes, roots, X):
        parts.append(Trail(to, pairs, latest[pairs], nodes.feature.take(at)))
        latest[pairs] = np.arange(end, end + len(to))
        end += len(to)
    return Trail(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def portions(
    X: NDArray[np.float32], rows: int = ROWS_AT_ONCE
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Cut X into portions of so many rows."""
    for start in range(0, len(X), rows):
        yield slice(start, start + rows), X[start : start + rows]


def explained_at_once(trees: int, outputs: int) -> int:
    """Rows that are explained at once."""
    return max(1, CREDITS_AT_ONCE // (trees * outputs))
