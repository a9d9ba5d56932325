"""TreeSHAP: Shapley values of a forest's features, under path-dependent expectations.

The game of a tree: a node that tests a known feature sends the row to one side; any other node
sends it to both sides, in the shares of its training rows. The value of a set of known features is
the mean of the leaves that are reached. The Shapley value of a feature is the integral, over ``t``
from 0 to 1, of the partial derivative of the game's multilinear extension: the contribution of the
feature if each other one is known with probability ``t``.

The extension is a random walk through the tree. A downward pass (the probability to reach each
node) and an upward pass (the expected value below it) give the derivatives for all features and
outputs. They are polynomials in ``t`` of a degree below the largest number ``d`` of features on a
path, which Gauss-Legendre quadrature with ``d / 2`` points integrates exactly. Only probabilities
are multiplied, so that rounding errors do not grow with the depth.

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
from jaxtyping import Bool, Float32, Float64, Int16, Int64
from numpy.typing import NDArray

from acorn.errors import TimeBudgetError
from acorn.forests._trees.nodes import Ints, Nodes
from acorn.forests._trees.packed import PackedForest
from acorn.forests.ensemble import Attribution, Ensemble, count_trees

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_TREES_AT_ONCE = 4  # the arrays of a few trees stay in the processor's cache
_OUTPUTS_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class TreeShap:
    """Explains an ensemble. Arrays that depend only on the trees are made once, when first needed.

    Attributes
    ----------
    ensemble : Ensemble
        The forests to explain.
    """

    ensemble: Ensemble
    _layouts: dict[int, "_Layout"] = field(init=False, repr=False, default_factory=dict)

    def attributions(
        self,
        X: Float32[NDArray[np.float32], "n features"],
        targets: Sequence[int],
        *,
        seconds: float | None = None,
    ) -> list[Attribution]:
        """Compute Shapley values of predictions.

        Parameters
        ----------
        X : ndarray of float32 of shape (n, features)
            Features; NaN is missing.
        targets : sequence of int
            Distinct numbers of targets. Targets of one forest share its walks.
        seconds : float, optional
            Most wall-clock seconds; by default no limit.

        Returns
        -------
        list of Attribution
            One for each target. The baseline, which is the mean over the training rows, and the
            contributions add up to the prediction.

        Raises
        ------
        TimeBudgetError
            If the time is exceeded. No values are returned then, since the values of some of the
            trees do not add up to the prediction.
        """
        deadline = np.inf if seconds is None else time.monotonic() + seconds
        baseline = np.zeros(len(targets))
        total = np.zeros((len(X), X.shape[1], len(targets)))
        shares = self.ensemble.shares(targets)
        trees = count_trees(shares, len(targets))
        for share in shares:
            number, member, outputs, places, _ = share
            values = member.forest.values[:, outputs].astype(np.float64) * share.factor(trees)
            layout = self._layout(number)
            baseline[places] += layout.coverage @ values
            for walk in layout.walks:
                for x, contributions in zip(X[:, member.features], total, strict=True):
                    if time.monotonic() > deadline:
                        raise TimeBudgetError(
                            f"SHAP values of {len(X)} architectures and {len(targets)} targets "
                            f"take more than {seconds:g} s; expected fewer, or path contributions"
                        )
                    contributions[np.ix_(member.features, places)] += walk.shapley(x, values)
        return [
            Attribution(float(base), total[:, :, i] / trees[i])
            for i, base in enumerate(baseline / trees)
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
    at : ndarray of int64
        Places of the nodes in the level.
    before : ndarray of int64
        Number, in the walk, of the latest node above that tests the same feature.
    to_left : ndarray of bool
        Whether the path turns left there.
    share : ndarray
        Share of training rows that take the turns of the path at all tests of the feature above.
    """

    at: Int64[Ints, " repeated"]
    before: Int64[Ints, " repeated"]
    to_left: Bool[Bools, " repeated"]
    share: Float64[Floats, " repeated"]


@dataclass(frozen=True, slots=True)
class _Children:
    """Children on one side: inner nodes belong to the next level, leaves end the walk.

    Attributes
    ----------
    inner, leaf : ndarray of int64
        Places, in the level, of the nodes whose child is an inner node or a leaf.
    code : ndarray of int64
        Row of the forest's values of each leaf.
    """

    inner: Int64[Ints, " inner"]
    leaf: Int64[Ints, " leaves"]
    code: Int64[Ints, " leaves"]


@dataclass(frozen=True, slots=True)
class _Level:
    """Inner nodes of one depth; the next level has left children first, then right ones.

    Attributes
    ----------
    feature, threshold, missing_left : ndarray of shape (nodes,)
        Test of each node.
    share : ndarray of shape (nodes,)
        Share of the training rows of each node that go to the left.
    left, right : _Children
        Children on each side.
    again : _Again
        Nodes whose feature was tested above them.
    """

    feature: Int16[NDArray[np.int16], " nodes"]
    threshold: Float32[NDArray[np.float32], " nodes"]
    missing_left: Bool[Bools, " nodes"]
    share: Float64[Floats, " nodes"]
    left: _Children
    right: _Children
    again: _Again

    def turns(self, x: Float32[NDArray[np.float32], " features"]) -> Bool[Bools, " nodes"]:
        """Whether a row goes to the left at each node."""
        value = x[self.feature]
        return (value <= self.threshold) | (np.isnan(value) & self.missing_left)


class _Step(NamedTuple):
    """Probabilities of a row at the nodes of a level.

    Let ``z`` be the share of training rows that take the turns of the path at all earlier tests of
    the node's feature (1 if there are none). If the feature is known with probability ``t``, the
    row goes to the left with probability ``(t left + (1 - t) z share) / (t + (1 - t) z)``. The
    derivative is ``z (left - share) / (t + (1 - t) z)²``. If the row leaves the path at an earlier
    test of the feature, the probability is the share, and does not depend on ``t``.

    Attributes
    ----------
    slope : ndarray of shape (nodes,)
        ``left - share`` of each node; 0 if the probability does not depend on ``t``.
    chance : ndarray of shape (nodes, points)
        Probability to go to the left at each quadrature point.
    reach : ndarray of shape (nodes, points)
        Weight of the point times the probability to reach the node, times the other factors of the
        derivative.
    """

    slope: Float64[Floats, " nodes"]
    chance: Float64[Floats, "nodes points"]
    reach: Float64[Floats, "nodes points"]


@dataclass(frozen=True, slots=True)
class _Walk:
    """Some trees, level by level.

    Attributes
    ----------
    levels : list of _Level
        Levels from the roots down.
    features : ndarray of int64 of shape (nodes,)
        Feature that each node tests, in the order of the levels.
    n_features : int
        Number of columns of a row.
    points, weights : ndarray of shape (points,)
        Quadrature over ``t``.
    """

    levels: list[_Level]
    features: Int64[Ints, " nodes"]
    n_features: int
    points: Float64[Floats, " points"]
    weights: Float64[Floats, " points"]

    def shapley(
        self,
        x: Float32[NDArray[np.float32], " features"],
        values: Float64[Floats, "codes outputs"],
    ) -> Float64[Floats, "features outputs"]:
        """Shapley values of one row, summed over the trees.

        Parameters
        ----------
        x : ndarray of float32 of shape (features,)
            The row.
        values : ndarray of shape (codes, outputs)
            Leaf values.

        Returns
        -------
        ndarray of shape (features, outputs)
            Shapley values.
        """
        steps = list(self._down(x))
        by_node = np.empty((len(self.features), values.shape[1]))
        for start in range(0, values.shape[1], _OUTPUTS_AT_ONCE):
            some = slice(start, start + _OUTPUTS_AT_ONCE)
            self._up(steps, values[:, some], by_node[:, some])
        summed = [np.bincount(self.features, column, self.n_features) for column in by_node.T]
        return np.stack(summed, axis=1)

    def _down(self, x: Float32[NDArray[np.float32], " features"]) -> Iterator[_Step]:
        """Go down from the roots, and yield the probabilities of a row at each level."""
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
            known[off] = unknown[off]  # the row left this path at an earlier test of the feature
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

    def _up(
        self,
        steps: list[_Step],
        values: Float64[Floats, "codes outputs"],
        by_node: Float64[Floats, "nodes outputs"],
    ) -> None:
        """Go up, and write the contribution of each node to its feature's Shapley value."""
        outputs, stop = values.shape[1], len(self.features)
        below = np.empty((0, outputs, len(self.points)))
        for level, (slope, chance, reach) in zip(self.levels[::-1], steps[::-1], strict=True):
            n, n_left = len(slope), len(level.left.inner)
            left, right = np.empty((2, n, outputs, len(self.points)))
            left[level.left.inner], right[level.right.inner] = below[:n_left], below[n_left:]
            left[level.left.leaf] = values[level.left.code, :, None]
            right[level.right.leaf] = values[level.right.code, :, None]
            left -= right
            by_node[stop - n : stop] = np.einsum("np,nop->no", reach, left) * slope[:, None]
            left *= chance[:, None]
            left += right
            below = left
            stop -= n


@dataclass(frozen=True, slots=True)
class _Layout:
    """Walks of a forest.

    Attributes
    ----------
    coverage : ndarray of shape (codes,)
        Share of training rows, summed over trees, with each row of the leaf values.
    walks : list of _Walk
        All trees, a few in each walk.
    """

    coverage: Float64[Floats, " codes"]
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
    """A forest with its nodes, their right children and their weights of training rows."""

    forest: PackedForest
    nodes: Nodes
    right: Int64[Ints, " nodes"]
    weight: Float64[Floats, " nodes"]

    def walk(self, roots: Int64[Ints, " trees"]) -> _Walk:
        """Make the walk of the trees of some roots, none of which is a leaf."""
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

    def _children(self, nodes: Int64[Ints, " nodes"]) -> _Children:
        is_leaf = self.right[nodes] == nodes
        leaf = np.flatnonzero(is_leaf)
        code = self.forest.code[self.nodes.leaf[nodes[leaf]]].astype(np.int64)
        return _Children(np.flatnonzero(~is_leaf), leaf, code)


class _Path:
    """Path from each node of a walk up to its root, for the levels that were added."""

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

    def extend(
        self,
        above: Int64[Ints, " nodes"],
        from_left: Bool[Bools, " nodes"],
        feature: Int64[Ints, " nodes"],
        share: Float64[Floats, " nodes"],
    ) -> _Again:
        """Add a level: for each node its parent (-1: none), side, feature and share to the left."""
        n = len(above)
        before, to_left = above.copy(), from_left.copy()
        climbing = np.flatnonzero(before >= 0)
        while len(climbing):
            at = before[climbing]
            differs = self.feature[at] != feature[climbing]
            climbing, at = (numbers[differs] for numbers in (climbing, at))
            before[climbing], to_left[climbing] = self.above[at], self.from_left[at]
            climbing = climbing[before[climbing] >= 0]
        again = np.flatnonzero(before >= 0)
        earlier, turn = before[again], to_left[again]
        taken = np.ones(n)
        taken[again] = self.taken[earlier] * np.where(
            turn, self.share[earlier], 1 - self.share[earlier]
        )
        distinct = np.append(self.distinct, 0)[above] + 1
        distinct[again] -= 1
        self.above, self.feature = np.append(self.above, above), np.append(self.feature, feature)
        self.from_left = np.append(self.from_left, from_left)
        self.share, self.taken = np.append(self.share, share), np.append(self.taken, taken)
        self.distinct = np.append(self.distinct, distinct)
        return _Again(again, earlier, turn, taken[again])
