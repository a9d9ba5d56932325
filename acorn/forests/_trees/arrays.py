"""Arrays of a forest, as they are stored."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = {
    "sizes": (np.uint32,),
    "leaf_bits": (np.uint8,),
    "missing_left_bits": (np.uint8,),
    "feature": (np.int16,),
    "threshold": (np.float32,),
    "count": (np.uint8, np.uint16, np.float32),
    "code": (np.uint16, np.uint32),
    "values": (np.float32,),
}
"""Arrays of a forest, and the types that each may have."""


@dataclass(frozen=True, eq=False)
class ForestArrays:
    """Regression trees in preorder, one after the other.

    Attributes
    ----------
    sizes : ndarray of shape (trees,)
        Number of nodes of each tree.
    leaf_bits : ndarray of uint8
        One bit for each node, packed: 1 marks a leaf.
    missing_left_bits : ndarray of uint8
        One bit for each inner node, packed: 1 sends a missing value to the left.
    feature, threshold : ndarray of shape (inner nodes,)
        Test of each inner node: ``x[feature] <= threshold`` goes to the left.
    count : ndarray of shape (leaves,)
        Weighted number of training rows of each leaf.
    code : ndarray of shape (leaves,)
        Row of ``values`` of each leaf.
    values : ndarray of shape (codes, outputs)
        Distinct leaf values in float32. With labels in percent, predictions differ from those of
        scikit-learn by at most 4e-6.
    n_features : int
        Number of columns of an input.
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

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.sizes)

    @property
    def n_outputs(self) -> int:
        """Number of values of each leaf."""
        return self.values.shape[1]
