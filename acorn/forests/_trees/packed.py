"""Forests as flat arrays, for storage, prediction and explanation.

Trees are in preorder, see :mod:`acorn.forests._trees.preorder`. A leaf holds the row of a table of
distinct values: fully grown trees repeat the training labels in their leaves, so that one copy of
the labels is enough for all trees and all targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from jaxtyping import Float32, Float64, Integer, Num
from numpy.typing import NDArray

from acorn.errors import BundleError
from acorn.forests._tensors import read_tensors, write_tensors
from acorn.forests._trees.arrays import DTYPES, ForestArrays
from acorn.forests._trees.node_means import NodeMeans
from acorn.forests._trees.nodes import Nodes
from acorn.forests._trees.preorder import layout
from acorn.forests._trees.walking import Trail

Floats = NDArray[np.float64]


def round_down(thresholds: Float64[Floats, " n"]) -> Float32[NDArray[np.float32], " n"]:
    """Round thresholds to the largest float32 that is not above them.

    A float32 ``x`` satisfies ``x <= t`` exactly when it satisfies ``x <= round_down(t)``, so that
    packed trees decide bit for bit as those of scikit-learn do.

    Parameters
    ----------
    thresholds : ndarray of shape (n,)
        Thresholds in float64.

    Returns
    -------
    ndarray of shape (n,)
        Thresholds in float32.
    """
    with np.errstate(over="ignore"):  # beyond the range of float32 the cast gives infinity
        nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest > thresholds, below, nearest)


@dataclass(frozen=True, eq=False)
class PackedForest(ForestArrays):
    """A fitted forest of regression trees.

    Attributes
    ----------
    nodes : Nodes
        All nodes, derived from the arrays at construction.

    Raises
    ------
    BundleError
        On construction, if the arrays do not form trees; names the tree and the node.
    """

    nodes: Nodes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", layout(self))

    @classmethod
    def from_sklearn(
        cls, forest: Any, *, scale: Floats | None = None, shift: Floats | None = None
    ) -> Self:
        """Pack a fitted random forest, extremely randomised trees or gradient boosting.

        Parameters
        ----------
        forest : sklearn.ensemble.BaseForest or GradientBoostingRegressor
            A forest grown depth first (``max_leaf_nodes=None``), so that its nodes are in preorder.
        scale, shift : ndarray of shape (outputs,), optional
            Map outputs to labels: ``value * scale + shift``.

        Returns
        -------
        PackedForest
            The same trees.

        Raises
        ------
        ValueError
            If the forest was grown best first.

        References
        ----------
        Breiman, Random Forests, 2001. Geurts et al., Extremely randomized trees, 2006.
        """
        trees = [estimator.tree_ for estimator in np.ravel(forest.estimators_)]
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

    def to_bytes(self) -> bytes:
        """Serialise the arrays.

        Returns
        -------
        bytes
            A safetensors file, which :meth:`from_bytes` reads.
        """
        arrays = {name: getattr(self, name) for name in DTYPES}
        return write_tensors(arrays | {"n_features": np.array(self.n_features, np.int32)})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote, and check every tree.

        Parameters
        ----------
        content : bytes
            A safetensors file.

        Returns
        -------
        PackedForest
            The checked forest.

        Raises
        ------
        BundleError
            If the file has other arrays, or the arrays do not form trees.
        """
        arrays = read_tensors(content)
        expected = {*DTYPES, "n_features"}
        if set(arrays) != expected:
            raise BundleError(f"got the arrays {sorted(arrays)}; a forest has {sorted(expected)}")
        n_features = arrays.pop("n_features")
        if n_features.shape != () or n_features.dtype != np.int32:
            got = f"{n_features.dtype} of shape {n_features.shape}"
            raise BundleError(f"n_features is {got}; expected one int32")
        for name, dtypes in DTYPES.items():
            if (dtype := arrays[name].dtype) not in dtypes:
                names = " or ".join(np.dtype(each).name for each in dtypes)
                raise BundleError(f"{name} is {dtype}; expected {names}")
        return cls(n_features=int(n_features), **arrays)

    def leaf_moments(
        self, leaves: Integer[NDArray[np.integer], " pairs"], rows: int, outputs: Sequence[int]
    ) -> tuple[Float64[Floats, "rows outputs"], Float64[Floats, "rows outputs"]]:
        """Sum the values of leaves, and their squares, over trees.

        Parameters
        ----------
        leaves : ndarray of shape (trees * rows,)
            Leaf of each row in each tree, tree by tree.
        rows : int
            Number of rows.
        outputs : sequence of int
            Outputs to sum.

        Returns
        -------
        first, second : ndarray of shape (rows, outputs)
            Sums of the values and of their squares.
        """
        values = self.values.take(self.code.take(leaves), axis=0)
        if list(outputs) != list(range(self.n_outputs)):
            values = values[:, outputs]
        width = values.shape[1]
        wide = values.astype(np.float64).reshape(self.n_trees, rows * width)
        if wide.shape[1] == 1:  # numpy sums a single column in another order than several
            wide = wide.repeat(2, axis=1)
        first, second = wide.sum(axis=0), np.square(wide).sum(axis=0)
        return tuple(sums[: rows * width].reshape(rows, width) for sums in (first, second))

    def root_means(self, outputs: Sequence[int]) -> Float64[Floats, " outputs"]:
        """Mean over the training rows and over trees.

        Parameters
        ----------
        outputs : sequence of int
            Outputs to average.

        Returns
        -------
        ndarray of shape (outputs,)
            Mean of each output.
        """
        return self._node_means.at(self.nodes.roots, outputs).mean(axis=0)

    def credits(
        self, way: Trail, shape: tuple[int, ...], outputs: Sequence[int]
    ) -> Float64[Floats, "rows outputs features"]:
        """Credit the change of the mean at each split to the feature of the split.

        The sum over features, plus :meth:`root_means` times the number of trees, is the sum of the
        predictions of the trees.

        Parameters
        ----------
        way : Trail
            Paths of the rows down all trees.
        shape : tuple of int
            Numbers of rows and of features.
        outputs : sequence of int
            Outputs to explain.

        Returns
        -------
        ndarray of shape (rows, outputs, features)
            Credits, summed over trees.

        References
        ----------
        Palczewska et al., Interpreting random forest classification models using a feature
        contribution method, 2013. Saabas, Interpreting random forests, 2014.
        """
        n, features, k = *shape, len(outputs)
        means = self._node_means.at(way.node, outputs)
        change = means - means[way.origin]
        cell = (way.pair % n * k * features + way.feature)[:, None] + np.arange(k) * features
        total = np.bincount(cell.ravel(), change.ravel(), n * k * features)
        return total.astype(np.float64, copy=False).reshape(n, k, features)

    @cached_property
    def _node_means(self) -> NodeMeans:
        return NodeMeans(self, self.nodes)


def _compact(counts: Float64[Floats, " leaves"]) -> Num[NDArray[Any], " leaves"]:
    """Counts in the smallest type that holds them exactly, or in float32."""
    for dtype in (np.uint8, np.uint16):
        if np.array_equal(counts, np.clip(counts, 0, np.iinfo(dtype).max).astype(dtype)):
            return counts.astype(dtype)
    return counts.astype(np.float32)
