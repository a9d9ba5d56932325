"""Forests as flat arrays: one representation to store, to predict and to explain.

Trees are written in preorder, see :mod:`acorn.forests.trees.preorder`. Leaves hold a number into a
codebook of distinct values: fully grown trees repeat the training labels in their leaves, so one
copy of the labels serves all trees and all targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from acorn.errors import BundleError
from acorn.forests.tensors import read_tensors
from acorn.forests.trees.node_means import NodeMeans
from acorn.forests.trees.preorder import FIELDS, Nodes, layout
from acorn.forests.trees.walking import Trail, arrivals, explained_at_once, portions, trail

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
    nodes
        Derived from the others at construction.

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
    nodes: Nodes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", layout(self))

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
        values = np.ascontiguousarray(values, np.float32)
        # Whole rows as bytes sort several times faster than number by number.
        rows = values.view(np.dtype((np.void, values.strides[0]))).ravel()
        _, first, code = np.unique(rows, return_index=True, return_inverse=True)
        return cls(
            sizes=np.array([tree.node_count for tree in trees], np.uint32),
            leaf_bits=np.packbits(leaf),
            missing_left_bits=np.packbits(joined("missing_go_to_left")[~leaf].astype(bool)),
            feature=joined("feature")[~leaf].astype(np.int16),
            threshold=round_down(joined("threshold")[~leaf]),
            count=_compact(joined("weighted_n_node_samples")[leaf]),
            code=code.astype(np.uint16 if len(first) <= 1 << 16 else np.uint32),
            values=values[first],
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
        width = self.n_outputs if outputs is None else len(outputs)
        first, second = np.empty((2, len(X), width))
        for rows, chunk in portions(self._checked(X)):
            leaves = self.nodes.leaf.take(arrivals(self.nodes, self.nodes.roots, chunk))
            first[rows], second[rows] = self.leaf_moments(leaves, len(chunk), outputs)
        return first, second

    def leaf_moments(
        self, leaves: NDArray[np.integer], rows: int, outputs: Sequence[int] | None = None
    ) -> tuple[Floats, Floats]:
        """:meth:`moments` of ``rows`` rows that fall in these leaves, shape (trees * rows,)."""
        found = self.values.take(self.code.take(leaves), axis=0)
        if outputs is not None and list(outputs) != list(range(self.n_outputs)):
            found = found[:, outputs]
        width = found.shape[1]
        wide = found.astype(np.float64).reshape(self.n_trees, rows * width)
        if wide.shape[1] == 1:  # numpy sums a lone column in another order than several
            wide = wide.repeat(2, axis=1)
        first, second = wide.sum(axis=0), np.square(wide).sum(axis=0)
        return tuple(sums[: rows * width].reshape(rows, width) for sums in (first, second))

    def predict(self, X: NDArray[np.float32]) -> Floats:
        """Mean over trees, shape (n, outputs)."""
        return self.moments(X)[0] / self.n_trees

    def tree_predictions(self, X: NDArray[np.float32]) -> Floats:
        """Each tree's prediction, shape (trees, n, outputs)."""
        found = np.empty((self.n_trees, len(X), self.n_outputs))
        for rows, chunk in portions(self._checked(X)):
            leaves = self.nodes.leaf.take(arrivals(self.nodes, self.nodes.roots, chunk))
            found[:, rows] = self.values[self.code[leaves]].reshape(found[:, rows].shape)
        return found

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
        total = np.empty((len(X), len(wanted), self.n_features))
        for rows, chunk in portions(self._checked(X), explained_at_once(self.n_trees, len(wanted))):
            way = trail(self.nodes, self.nodes.roots, chunk)
            total[rows] = self.credits(way, chunk.shape, wanted)
        return self.root_means(wanted), total.transpose(0, 2, 1) / self.n_trees

    def root_means(self, outputs: Sequence[int]) -> Floats:
        """Mean over the training rows, and over trees, of some outputs."""
        return self._node_means.at(self.nodes.roots, outputs).mean(axis=0)

    def credits(self, way: Trail, shape: tuple[int, ...], outputs: Sequence[int]) -> Floats:
        """:meth:`contributions` of rows that go this way, summed over trees.

        Parameters
        ----------
        way
            Of rows down all trees.
        shape
            Numbers of rows, and of the features that the trail tells of.
        outputs
            Columns of the result.

        Returns
        -------
        array
            Shape (n, outputs, features).
        """
        n, features, k = *shape, len(outputs)
        means = self._node_means.at(way.node, outputs)
        change = means - means[way.origin]
        cell = (way.pair % n * k * features + way.feature)[:, None] + np.arange(k) * features
        total = np.bincount(cell.ravel(), change.ravel(), n * k * features)
        return total.astype(np.float64, copy=False).reshape(n, k, features)

    @cached_property
    def _node_means(self) -> NodeMeans:
        return NodeMeans(self.nodes, count=self.count, code=self.code, values=self.values)

    def _checked(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        if X.dtype != np.float32 or X.ndim != 2 or X.shape[1] != self.n_features:
            got = f"{X.dtype} of shape {X.shape}"
            raise ValueError(f"got {got}; expected float32 of shape (n, {self.n_features})")
        return X


def _compact(counts: Floats) -> NDArray[Any]:
    """Counts in the smallest type that holds them exactly, or in float32."""
    for dtype in (np.uint8, np.uint16):
        if np.array_equal(counts, np.clip(counts, 0, np.iinfo(dtype).max).astype(dtype)):
            return counts.astype(dtype)
    return counts.astype(np.float32)
