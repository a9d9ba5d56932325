"""TreeSHAP: Shapley values of a forest's features, under path-dependent expectations.

The game of a tree: a node that tests a known feature sends the row where it belongs, any other node
sends it both ways, in the shares of its training rows; the value of a set of known features is the
mean of the leaves that are reached. A feature's Shapley value is the integral, over ``t`` from 0 to
1, of the partial derivative of the game's multilinear extension: what the feature adds while each
other one is known with probability ``t``.

That extension is a random walk through the tree. One pass down (how likely each node is reached)
and one pass up (what is expected below it) give the derivatives for all features and outputs. Along
``t`` they are polynomials of a degree below the largest number ``d`` of features on a path, which
the rule of Gauss and Legendre on ``d / 2`` points integrates exactly. Only probabilities are
multiplied, so rounding errors do not grow with depth.

References
----------
Lundberg et al., From local explanations to global understanding with explainable AI for trees,
2020 (the game, there "tree path dependent"). Owen, Multilinear extensions of games, 1972 (the
integral). Yu et al., Linear TreeShap, 2022 (one polynomial for all the features of a path).
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acorn.errors import TimeBudgetError
from acorn.forests._trees.nodes import Ints, Nodes
from acorn.forests._trees.packed import PackedForest
from acorn.forests.ensemble import Attribution, Ensemble

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_TREES_AT_ONCE = 4  # the arrays of a few trees stay in the processor's cache
_OUTPUTS_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class TreeShap:
    """Explains an ensemble; what depends on the trees alone is laid out once, when first needed."""

    ensemble: Ensemble
    _layouts: dict[int, "_Layout"] = field(init=False, repr=False, default_factory=dict)

    def attributions(
        self, X: NDArray[np.float32], targets: Sequence[int], *, seconds: float | None = None
    ) -> list[Attribution]:
        """Shapley values of the predictions.

        Parameters
        ----------
        X
            Shape (n, features); NaN is missing.
        targets
            Distinct numbers of targets. Those that a forest predicts together share its walks.
        seconds
            Wall-clock budget; none when not given.

        Returns
        -------
        list
            One attribution a target. The baseline, which is the mean over the training rows, and
            the contributions add up to the prediction.

        Raises
        ------
        TimeBudgetError
            When the budget is spent. The values of some of the trees would add up to another
            prediction, so none are given.
        """
        deadline = np.inf if seconds is None else time.monotonic() + seconds
        column = {target: i for i, target in enumerate(targets)}
        trees, baseline = np.zeros((2, len(column)))
        total = np.zeros((len(X), X.shape[1], len(column)))
        for number, (forest, features, own) in enumerate(self.ensemble.members):
            outputs = [output for output, target in enumerate(own) if target in column]
            if not outputs:
                continue
            to = [column[own[output]] for output in outputs]
            values = forest.values[:, outputs].astype(np.float64)
            laid_out = self._layout(number)
            trees[to] += forest.n_trees
            baseline[to] += laid_out.coverage @ values
            for walk in laid_out.walks:
                for x, found in zip(X[:, features], total, strict=True):
                    if time.monotonic() > deadline:
                        raise TimeBudgetError(
                            f"SHAP values of {len(X)} architectures and {len(column)} targets take "
                            f"more than {seconds:g} s; expected fewer, or path contributions"
                        )
                    found[np.ix_(features, to)] += walk.shapley(x, values)
        return [
            Attribution(float(baseline[i] / trees[i]), total[:, :, i] / trees[i])
            for i in range(len(column))
        ]

    def _layout(self, member: int) -> "_Layout":
        if member not in self._layouts:
            self._layouts[member] = _lay_out(self.ensemble.members[member].forest)
        return self._layouts[member]


@dataclass(frozen=True, slots=True)
class _Again:
    """Nodes of a level whose feature was tested above them.

    Attributes
    ----------
    at
        Places in the level.
    before
        Numbers of the latest such tests above, in the walk.
    to_left
        Whether the path left those to the left.
    share
        Of training rows that take the path's turn at all tests of the feature above.
    """

    at: Ints
    before: Ints
    to_left: Bools
    share: Floats


@dataclass(frozen=True, slots=True)
class _Children:
    """Children on one side: inner nodes stand in the next level, leaves end the walk.

    Attributes
    ----------
    inner, leaf
        Places, in the level, of the nodes with a child of this kind.
    code
        Row of the forest's values of each leaf.
    """

    inner: Ints
    leaf: Ints
    code: Ints


@dataclass(frozen=True, slots=True)
class _Level:
    """Inner nodes of one depth; the next level has left children first, then right ones.

    Attributes
    ----------
    feature, threshold, missing_left
        Test of each node.
    share
        Of each node's training rows that go to the left.
    left, right
        The children.
    again
        Nodes whose feature is not new on their path.
    """

    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    missing_left: Bools
    share: Floats
    left: _Children
    right: _Children
    again: _Again

    def turns(self, x: NDArray[np.float32]) -> Bools:
        """Whether a row goes to the left at each node."""
        value = x[self.feature]
        return (value <= self.threshold) | (np.isnan(value) & self.missing_left)


class _Step(NamedTuple):
    """What a row makes of a level.

    Let the row's path to a node have tested the node's feature before, with a share ``z`` of the
    training rows taking the path's turns there (1: it is new). Known with probability ``t``, the
    feature sends the row on to the left with the chance ``(t left + (1 - t) z share) / (t + (1 - t)
    z)``, whose derivative is ``z (left - share) / (t + (1 - t) z)²``. Where the row would have
    turned away from the path at such a test, ``t`` has no say, and the chance is the share.

    Attributes
    ----------
    slope
        ``left - share`` of each node, shape (nodes,); 0 where ``t`` has no say.
    chance
        To go to the left at each point, shape (nodes, points).
    reach
        Weight of the point times the chance to reach the node, times the rest of the derivative.
    """

    slope: Floats
    chance: Floats
    reach: Floats


@dataclass(frozen=True, slots=True)
class _Walk:
    """Some trees, level by level.

    Attributes
    ----------
    levels
        From the roots down.
    features
        Test of each node, in the order of the levels.
    n_features
        Number of columns that rows have.
    points, weights
        Of the quadrature over ``t``.
    """

    levels: list[_Level]
    features: Ints
    n_features: int
    points: Floats
    weights: Floats

    def shapley(self, x: NDArray[np.float32], values: Floats) -> Floats:
        """Shapley values of one row, summed over the trees.

        Parameters
        ----------
        x
            Shape (features,).
        values
            Leaf values, shape (codes, outputs).

        Returns
        -------
        ndarray
            Shape (features, outputs).
        """
        steps = list(self._down(x))
        found = np.empty((len(self.features), values.shape[1]))
        for start in range(0, values.shape[1], _OUTPUTS_AT_ONCE):
            some = slice(start, start + _OUTPUTS_AT_ONCE)
            self._up(steps, values[:, some], found[:, some])
        summed = [np.bincount(self.features, each, self.n_features) for each in found.T]
        return np.stack(summed, axis=1)

    def _down(self, x: NDArray[np.float32]) -> Iterator[_Step]:
        """Follow one row and all others from the roots down."""
        basis = np.stack([1 - self.points, self.points])
        reach = np.tile(self.weights, (len(self.levels[0].share), 1))
        turned, follows = np.zeros((2, len(self.features)), bool)
        start = 0
        for level in self.levels:
            stop = start + len(level.share)
            left = level.turns(x)
            turned[start:stop], follows[start:stop] = left, True
            known, unknown = left.astype(np.float64), level.share.copy()
            again = level.again
            on = follows[again.before] & (turned[again.before] == again.to_left)
            follows[start + again.at] = on
            on, off, taken = again.at[on], again.at[~on], again.share[on, None]
            known[off] = unknown[off]  # the row has left this path at the same feature before
            slope = known - unknown
            unknown[on] *= taken[:, 0]
            chance = np.stack([unknown, known], axis=1) @ basis
            part = self.points + (1 - self.points) * taken
            chance[on] /= part
            to_left = reach * chance
            to_right = reach - to_left
            reach[on] *= taken / np.square(part)
            yield _Step(slope, chance, reach)
            reach = np.concatenate([to_left[level.left.inner], to_right[level.right.inner]])
            start = stop

    def _up(self, steps: list[_Step], values: Floats, found: Floats) -> None:
        """Write each node's part of its feature's Shapley value to ``found``."""
        outputs, stop = values.shape[1], len(self.features)
        below = np.empty((0, outputs, len(self.points)))
        for level, (slope, chance, reach) in zip(self.levels[::-1], steps[::-1], strict=True):
            n, n_left = len(slope), len(level.left.inner)
            left, right = np.empty((2, n, outputs, len(self.points)))
            left[level.left.inner], right[level.right.inner] = below[:n_left], below[n_left:]
            left[level.left.leaf] = values[level.left.code, :, None]
            right[level.right.leaf] = values[level.right.code, :, None]
            left -= right
            found[stop - n : stop] = np.einsum("np,nop->no", reach, left) * slope[:, None]
            left *= chance[:, None]
            left += right
            below = left
            stop -= n


@dataclass(frozen=True, slots=True)
class _Layout:
    """A forest, ready to be walked.

    Attributes
    ----------
    coverage
        Share of training rows, summed over trees, that each row of the leaf values stands for.
    walks
        All trees, a few at a time.
    """

    coverage: Floats
    walks: list[_Walk]


def _lay_out(forest: PackedForest) -> _Layout:
    nodes = forest.nodes
    ends = np.append(nodes.leaf, len(forest.count))  # leaves before each node, and before the end
    before = np.concatenate([[0.0], np.cumsum(forest.count, dtype=np.float64)])
    weight = before[ends[nodes.end]] - before[nodes.leaf]
    each_tree = np.repeat(weight[nodes.roots], (forest.sizes.astype(np.int64) + 1) // 2)
    coverage = np.zeros(len(forest.values))
    np.add.at(coverage, forest.code, forest.count / each_tree)
    trees = _Trees(forest, nodes, nodes.right, weight)
    inner = nodes.roots[forest.sizes > 1]
    parts = np.split(inner, range(_TREES_AT_ONCE, len(inner), _TREES_AT_ONCE))
    return _Layout(coverage, [trees.walk(roots) for roots in parts if len(roots)])


@dataclass(frozen=True, slots=True)
class _Trees:
    """What walks are made of: a forest, its nodes, right children and weights of training rows."""

    forest: PackedForest
    nodes: Nodes
    right: Ints
    weight: Floats

    def walk(self, roots: Ints) -> _Walk:
        """Lay out the trees of some roots, none of which is a leaf."""
        levels: list[_Level] = []
        path = _Path()
        at, above, from_left = roots, np.full(len(roots), -1), np.zeros(len(roots), bool)
        while len(at):
            feature, left, right = self.nodes.feature[at], at + 1, self.right[at]
            share = self.weight[left] / self.weight[at]
            first = path.length
            again = path.extend(above, from_left, feature.astype(np.int64), share)
            missing_left, threshold = self.nodes.missing_left[at], self.nodes.threshold[at]
            sides = self._children(left), self._children(right)
            levels.append(_Level(feature, threshold, missing_left, share, *sides, again))
            at = np.concatenate([left[sides[0].inner], right[sides[1].inner]])
            above = first + np.concatenate([sides[0].inner, sides[1].inner])
            from_left = np.arange(len(at)) < len(sides[0].inner)
        points, weights = np.polynomial.legendre.leggauss((path.most_features + 1) // 2)
        # from [-1, 1] to [0, 1]
        return _Walk(levels, path.feature, self.forest.n_features, (points + 1) / 2, weights / 2)

    def _children(self, nodes: Ints) -> _Children:
        is_leaf = self.right[nodes] == nodes
        leaf = np.flatnonzero(is_leaf)
        code = self.forest.code[self.nodes.leaf[nodes[leaf]]].astype(np.int64)
        return _Children(np.flatnonzero(~is_leaf), leaf, code)


class _Path:
    """The way up from each node of a walk, as far as levels were added."""

    def __init__(self) -> None:
        self.above, self.feature, self.distinct = np.empty((3, 0), np.int64)
        self.from_left = np.empty(0, bool)
        self.share, self.taken = np.empty((2, 0))

    @property
    def length(self) -> int:
        """Number of nodes so far."""
        return len(self.above)

    @property
    def most_features(self) -> int:
        """Largest number of distinct features on a path."""
        return int(self.distinct.max())

    def extend(self, above: Ints, from_left: Bools, feature: Ints, share: Floats) -> _Again:
        """Add a level: for each node its parent (-1: none), side, feature and share to the left."""
        n = len(above)
        before, to_left = above.copy(), from_left.copy()
        climbing = np.flatnonzero(before >= 0)
        while len(climbing):
            at = before[climbing]
            climbing, at = (each[self.feature[at] != feature[climbing]] for each in (climbing, at))
            before[climbing], to_left[climbing] = self.above[at], self.from_left[at]
            climbing = climbing[before[climbing] >= 0]
        again = np.flatnonzero(before >= 0)
        found, turn = before[again], to_left[again]
        taken = np.ones(n)
        taken[again] = self.taken[found] * np.where(turn, self.share[found], 1 - self.share[found])
        distinct = np.append(self.distinct, 0)[above] + 1
        distinct[again] -= 1
        self.above, self.feature = np.append(self.above, above), np.append(self.feature, feature)
        self.from_left = np.append(self.from_left, from_left)
        self.share, self.taken = np.append(self.share, share), np.append(self.taken, taken)
        self.distinct = np.append(self.distinct, distinct)
        return _Again(again, found, turn, taken[again])
