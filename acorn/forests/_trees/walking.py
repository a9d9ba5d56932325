"""Traversal of trees: all rows go down all trees at once, one level at a time.

A (tree, row) pair is one number, ``tree * rows + row``. The number of calls of numpy determines the
time, so that all trees of an ensemble are traversed together.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int16, Int64
from numpy.typing import NDArray

from acorn.forests._trees.nodes import Ints, Nodes

PAIRS_AT_ONCE = 1 << 13
"""Most pairs that go down together, so that their data stay in the cache."""

Rows = Float32[NDArray[np.float32], "rows features"]
Roots = Int64[Ints, " trees"]

ROWS_AT_ONCE = 512
"""Most rows whose leaves are held at once, which bounds the memory."""

CREDITS_AT_ONCE = 1 << 16
"""Most (tree, row, output) triples that are explained at once, on each of about fifteen levels."""

_STILL_MOVING = 0.75
"""Pairs that have arrived are dropped when less than this share of the pairs is still moving."""


def arrivals(nodes: Nodes, roots: Roots, X: Rows) -> Int64[Ints, " trees*rows"]:
    """Find the leaf of every pair.

    Parameters
    ----------
    nodes : Nodes
        Nodes of one or several forests.
    roots : ndarray of int64 of shape (trees,)
        Roots of the trees to traverse.
    X : ndarray of float32 of shape (rows, features)
        Features, contiguous; NaN is missing.

    Returns
    -------
    ndarray of int64 of shape (trees * rows,)
        Number of the leaf node of each pair.
    """
    arrived = np.repeat(roots, len(X))
    # With many rows, traverse a few trees at a time: their nodes stay in the cache.
    trees = max(1, PAIRS_AT_ONCE // max(1, len(X)))
    for start in range(0, len(roots), trees):
        part = arrived[start * len(X) : (start + trees) * len(X)]
        for pairs, _, to in steps(nodes, roots[start : start + trees], X):
            part[pairs] = to
    return arrived


def steps(nodes: Nodes, roots: Roots, X: Rows) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Go down level by level. Pairs that have reached a leaf may still be among the pairs.

    Parameters
    ----------
    nodes, roots, X
        See :func:`arrivals`.

    Yields
    ------
    pairs, start, end : ndarray of int64 of shape (pairs,)
        Pairs, their nodes before the step, and their nodes after it.
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
    """Paths of pairs: first every root, then the nodes of each level.

    Attributes
    ----------
    node : ndarray of int64 of shape (visits,)
        Node of each visit.
    pair : ndarray of int64 of shape (visits,)
        Pair that visits it.
    origin : ndarray of int64 of shape (visits,)
        Index, in these arrays, of the previous visit of the pair; for a root, its own index.
    feature : ndarray of int16 of shape (visits,)
        Feature that the previous node tests; 0 for a root.
    """

    node: Int64[Ints, " visits"]
    pair: Int64[Ints, " visits"]
    origin: Int64[Ints, " visits"]
    feature: Int16[NDArray[np.int16], " visits"]

    def part(self, pairs: slice) -> "Trail":
        """Select the paths of some pairs, and number the pairs from 0.

        Parameters
        ----------
        pairs : slice
            Consecutive pairs.

        Returns
        -------
        Trail
            The paths of these pairs.
        """
        kept = (self.pair >= pairs.start) & (self.pair < pairs.stop)
        place = np.cumsum(kept) - 1
        pair = self.pair[kept] - pairs.start
        return Trail(self.node[kept], pair, place[self.origin[kept]], self.feature[kept])


def trail(nodes: Nodes, roots: Roots, X: Rows) -> Trail:
    """Record the path of every pair.

    Parameters
    ----------
    nodes, roots, X
        See :func:`arrivals`.

    Returns
    -------
    Trail
        The paths of all pairs.
    """
    start = np.repeat(roots, len(X))
    latest = np.arange(len(start))  # index of the latest visit of each pair
    parts = [Trail(start, latest.copy(), latest.copy(), np.zeros(len(start), np.int16))]
    end = len(start)
    for pairs, at, to in steps(nodes, roots, X):
        parts.append(Trail(to, pairs, latest[pairs], nodes.feature.take(at)))
        latest[pairs] = np.arange(end, end + len(to))
        end += len(to)
    return Trail(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def portions(X: Rows, rows: int = ROWS_AT_ONCE) -> Iterator[tuple[slice, Rows]]:
    """Cut rows into portions.

    Parameters
    ----------
    X : ndarray of float32 of shape (n, features)
        Features.
    rows : int, default=ROWS_AT_ONCE
        Most rows of a portion.

    Yields
    ------
    slice, ndarray
        Place of the portion, and its rows.
    """
    for start in range(0, len(X), rows):
        yield slice(start, start + rows), X[start : start + rows]


def explained_at_once(trees: int, outputs: int) -> int:
    """Number of rows that are explained at once.

    Parameters
    ----------
    trees, outputs : int
        Numbers of trees and of outputs.

    Returns
    -------
    int
        At least 1.
    """
    return max(1, CREDITS_AT_ONCE // (trees * outputs))
