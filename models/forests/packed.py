"""Forests as flat arrays: one representation to store, to predict and to explain.

Trees are written in preorder, see :mod:`models.forests.preorder`. Leaves hold a number into a
codebook of distinct values: fully grown trees repeat the training labels in their leaves, so one
copy of the labels serves all trees and all targets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from models.errors import BundleError
from models.forests.preorder import FIELDS, Nodes, layout
from models.forests.tensors import read_tensors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PAIRS_AT_ONCE = 1 << 18  # (tree, row) pairs walked together: bounds memory, fits the cache


def round_down(thresholds: Floats) -> NDArray[np.float32]:
    """The largest float32 at most each threshold.

    A float32 ``x`` satisfies ``x <= t`` exactly when it satisfies ``x <= round_down(t)``, so that
    packed trees decide as scikit-learn's do, bit for bit.
    """
    with np.errstate(over="ignore"):  # beyond float32's range the cast is infinite, then stepped
        nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest > thresholds, below, nearest)


@dataclass(frozen=True, eq=False)
class PackedForest:
    """A fitted forest of regression trees.

    Attributes
    ----------
    sizes
        Number of nodes of each tree, shape (trees,).
    leaf_bits
        Packed bits over all nodes, trees in order and each in preorder: 1 is a leaf.
    missing_left_bits
        Packed bits over inner nodes: 1 sends a missing value to the left.
    feature, threshold
        Test of each inner node: ``x[feature] <= threshold`` goes to the left.
    count
        Weighted number of training rows of each leaf.
    code
        Row of ``values`` of each leaf.
    values
        Distinct leaf values, shape (codes, outputs), in float32: with percent labels predictions
        differ from scikit-learn's by at most 4e-6.
    n_features
        Number of columns that inputs have.

    Raises
    ------
    BundleError
        On construction, if the arrays are no forest; says which tree and node.
    """

    sizes: NDArray[np.uint32]
    leaf_bits: NDArray[np.uint8]
    missing_left_bits: NDArray[np.uint8]
    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    count: NDArray[Any]
    code: NDArray[Any]
    values: NDArray[np.float32]
    n_features: int
    _nodes: Nodes = field(init=False, repr=False)
    _means: dict[int, NDArray[np.float32]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_nodes", layout(self))

    # -- making ---------------------------------------------------------------------------------

    @classmethod
    def from_sklearn(
        cls, forest: Any, *, scale: Floats | None = None, shift: Floats | None = None
    ) -> Self:
        """Pack a fitted ``RandomForestRegressor`` or ``ExtraTreesRegressor``.

        Parameters
        ----------
        forest
            Grown depth first (``max_leaf_nodes=None``): its nodes are in preorder.
        scale, shift
            Map outputs back to labels: ``value * scale + shift``, each of shape (outputs,).

        References
        ----------
        Breiman, Random Forests, 2001. Geurts et al., Extremely randomized trees, 2006.
        """
        trees = [estimator.tree_ for estimator in forest.estimators_]
        leaf = np.concatenate([tree.children_left < 0 for tree in trees])
        left = np.concatenate([tree.children_left - np.arange(tree.node_count) for tree in trees])
        if not np.array_equal(left[~leaf], np.ones(np.count_nonzero(~leaf))):
            raise ValueError("got a forest grown best first; expected max_leaf_nodes=None")

        def joined(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(tree, name) for tree in trees])

        values = joined("value")[leaf, :, 0]
        if scale is not None:
            values = values * scale
        if shift is not None:
            values = values + shift
        book, code = np.unique(values.astype(np.float32), axis=0, return_inverse=True)
        return cls(
            sizes=np.array([tree.node_count for tree in trees], np.uint32),
            leaf_bits=np.packbits(leaf),
            missing_left_bits=np.packbits(joined("missing_go_to_left")[~leaf].astype(bool)),
            feature=joined("feature")[~leaf].astype(np.int16),
            threshold=round_down(joined("threshold")[~leaf]),
            count=_compact(joined("weighted_n_node_samples")[leaf]),
            code=code.ravel().astype(np.uint16 if len(book) <= 1 << 16 else np.uint32),
            values=book,
            n_features=int(forest.n_features_in_),
        )

    # -- storing --------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """The arrays as one safetensors file."""
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in FIELDS}
        return save(arrays | {"n_features": np.array(self.n_features, np.int32)})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read :meth:`to_bytes`, checking every tree; raises BundleError."""
        arrays = read_tensors(content)
        if set(arrays) != set(FIELDS):
            raise BundleError(f"got the arrays {sorted(arrays)}; a forest has {sorted(FIELDS)}")
        if arrays["n_features"].shape != ():
            raise BundleError(
                f"n_features has shape {arrays['n_features'].shape}; expected a number"
            )
        if arrays["n_features"].dtype != np.int32:
            raise BundleError(f"n_features is {arrays['n_features'].dtype}; expected int32")
        n_features = int(arrays.pop("n_features"))
        return cls(n_features=n_features, **arrays)

    def save(self, path: Path) -> None:
        """Write a ``.safetensors`` file."""
        path.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a ``.safetensors`` file; raises BundleError."""
        return cls.from_bytes(path.read_bytes())

    # -- predicting -----------------------------------------------------------------------------

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.sizes)

    @property
    def n_outputs(self) -> int:
        """Number of targets that each leaf has a value for."""
        return self.values.shape[1]

    def moments(
        self, X: NDArray[np.float32], outputs: Sequence[int] | None = None
    ) -> tuple[Floats, Floats]:
        """Sums over trees of predictions and of their squares.

        Parameters
        ----------
        X
            Shape (n, n_features); NaN is missing.
        outputs
            Columns of the result; all when not given.

        Returns
        -------
        tuple
            Two arrays of shape (n, outputs).
        """
        wanted = np.arange(self.n_outputs) if outputs is None else np.asarray(outputs)
        first = np.empty((len(X), len(wanted)))
        second = np.empty_like(first)
        for rows, codes in self._codes(X):
            found = self.values[codes[:, :, None], wanted].astype(np.float64)
            first[rows] = found.sum(axis=0)
            second[rows] = np.square(found, out=found).sum(axis=0)
        return first, second

    def predict(self, X: NDArray[np.float32]) -> Floats:
        """Mean over trees, shape (n, outputs)."""
        return self.moments(X)[0] / self.n_trees

    def tree_predictions(self, X: NDArray[np.float32]) -> Floats:
        """Each tree's prediction, shape (trees, n, outputs)."""
        found = np.empty((self.n_trees, len(X), self.n_outputs))
        for rows, codes in self._codes(X):
            found[:, rows] = self.values[codes]
        return found

    def _codes(self, X: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Chunks of rows with the codes of the leaves they fall in, shape (trees, chunk)."""
        for rows, chunk in _chunks(self._input(X), self.n_trees):
            at = np.repeat(self._nodes.roots, len(chunk))
            for moving, _, to in self._walk(chunk, at.copy()):
                at[moving] = to
            yield rows, self.code[self._nodes.leaf[at]].reshape(self.n_trees, -1)

    def _input(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        if X.dtype != np.float32 or X.ndim != 2 or X.shape[1] != self.n_features:
            got = f"{X.dtype} of shape {X.shape}"
            raise ValueError(f"got {got}; expected float32 of shape (n, {self.n_features})")
        return X

    def _walk(self, X: NDArray[np.float32], at: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Go down one level at a time: which (tree, row) pairs move, from which node, to which."""
        nodes = self._nodes
        moving = np.arange(len(at))
        row = np.tile(np.arange(len(X)), self.n_trees)
        missing = bool(np.isnan(X).any())
        while True:
            x = X[row, nodes.feature[at]]
            left = x <= nodes.threshold[at]
            if missing:
                left |= np.isnan(x) & nodes.missing_left[at]
            to = np.where(left, at + 1, nodes.right[at])
            on = to != at
            if not on.all():
                moving, row, at, to = moving[on], row[on], at[on], to[on]
            if not len(moving):
                return
            yield moving, at, to
            at = to

    # -- explaining -----------------------------------------------------------------------------

    def contributions(
        self, X: NDArray[np.float32], outputs: Sequence[int] | None = None
    ) -> tuple[Floats, Floats]:
        """Path contributions: how the mean moves at each split, credited to the split's feature.

        Returns
        -------
        tuple
            The baseline of shape (outputs,), the mean over the training rows, and contributions of
            shape (n, n_features, outputs). Baseline and contributions add up to the prediction.

        References
        ----------
        Palczewska et al., Interpreting random forest classification models using a feature
        contribution method, 2013. Saabas, Interpreting random forests, 2014.
        """
        wanted = list(range(self.n_outputs) if outputs is None else outputs)
        means = [self._node_means(output) for output in wanted]
        baseline = np.array([mean[self._nodes.roots].mean(dtype=np.float64) for mean in means])
        total = np.zeros((len(X), self.n_features, len(wanted)))
        for rows, chunk in _chunks(self._input(X), self.n_trees):
            flat = total[rows].reshape(-1, len(wanted))
            for moving, at, to in self._walk(chunk, np.repeat(self._nodes.roots, len(chunk))):
                cell = moving % len(chunk) * self.n_features + self._nodes.feature[at]
                for column, mean in enumerate(means):
                    step = mean[to].astype(np.float64) - mean[at]
                    flat[:, column] += np.bincount(cell, step, len(flat))
        return baseline, total / self.n_trees

    def _node_means(self, output: int) -> NDArray[np.float32]:
        """Mean over each node's training rows, shape (nodes,); leaves have their own value."""
        if output not in self._means:
            nodes = self._nodes
            value = self.values[self.code, output].astype(np.float64)
            centre = value.mean()  # running sums of small numbers lose less
            weight = np.concatenate([[0.0], np.cumsum(self.count, dtype=np.float64)])
            weighted = np.concatenate([[0.0], np.cumsum(self.count * (value - centre))])
            leaves = np.append(nodes.leaf, len(value))
            first, last = nodes.leaf, leaves[nodes.end]
            mean = centre + (weighted[last] - weighted[first]) / (weight[last] - weight[first])
            is_leaf = nodes.right == np.arange(len(mean))
            mean[is_leaf] = value
            self._means[output] = mean.astype(np.float32)
        return self._means[output]


def _chunks(X: NDArray[np.float32], trees: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    step = max(1, _PAIRS_AT_ONCE // trees)
    for start in range(0, len(X), step):
        yield slice(start, start + step), X[start : start + step]


def _compact(counts: Floats) -> NDArray[Any]:
    """Counts in the smallest type that holds them exactly, or in float32."""
    for dtype in (np.uint8, np.uint16):
        if np.array_equal(counts, np.clip(counts, 0, np.iinfo(dtype).max).astype(dtype)):
            return counts.astype(dtype)
    return counts.astype(np.float32)
