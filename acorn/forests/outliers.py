"""Detects rows of features that are unlike those that a bundle was trained on.

The non-conformity score of a row is its mean distance to its nearest neighbours among reference
rows, on robustly scaled features. The other training rows calibrate it: the outlier score of a row
is the share of them with a lower non-conformity score, which is one minus the conformal p-value.
Of new rows that are like the training rows, at most a share ALPHA is then called an outlier.

References
----------
Ramaswamy et al., Efficient algorithms for mining outliers, 2000 (nearest neighbours). Laxhammar and
Falkman, Conformal prediction for distribution-independent anomaly detection, 2010.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from jaxtyping import Bool, Float16, Float32, Float64
from numpy.typing import NDArray

from acorn.errors import BundleError
from acorn.forests._tensors import expect_tensors, read_tensors, write_tensors

ALPHA = 0.04
"""Largest expected share of false alarms, over draws of the calibration rows; small enough that the
share of a single draw stays below .05."""

NEIGHBOURS = 5
REFERENCE_BYTES = 1_200_000
"""Most bytes of the reference rows."""

UNUSED = np.float32(1e30)
"""Scale of a feature that does not count: its scaled values are nearly 0."""

Rows = Float32[NDArray[np.float32], "n features"]
PerRow = Float32[NDArray[np.float32], " n"]
PerFeature = Float32[NDArray[np.float32], " features"]

_MISSING = 3.0  # scaled value of a missing feature: far from most values, equal among missing ones
_ROWS_AT_ONCE = 512
_LINEAR = 100  # arcsinh is linear within some hundredths: extreme values keep their distance


@dataclass(frozen=True, eq=False)
class OutlierDetector:
    """Reference rows, and the non-conformity scores of calibration rows.

    Attributes
    ----------
    centre, scale : ndarray of shape (features,)
        Median and robust spread of each feature.
    reference : ndarray of float16 of shape (rows, features)
        Scaled reference rows.
    nonconformity : ndarray of shape (calibration rows,)
        Non-conformity scores of the calibration rows, ascending.
    """

    centre: PerFeature
    scale: PerFeature
    reference: Float16[NDArray[np.float16], "rows features"]
    nonconformity: Float32[NDArray[np.float32], " calibration"]

    @classmethod
    def fit(cls, X: Rows, *, seed: int) -> Self:
        """Learn from training rows.

        Parameters
        ----------
        X : ndarray of shape (n, features)
            One row for each class of equivalent architectures, n at least 2.
        seed : int
            Seed of the split into reference and calibration rows.

        Returns
        -------
        OutlierDetector
            The calibrated detector.
        """
        centre, scale = _robust_scale(X)
        order = np.random.default_rng(seed).permutation(len(X))
        references = min(len(X) // 2, max(1, REFERENCE_BYTES // (2 * X.shape[1])))
        reference = _scaled(X[order[:references]], centre, scale)
        uncalibrated = cls(centre, scale, reference, np.empty(0, np.float32))
        scores = uncalibrated._nonconformity(X[order[references:]])
        return cls(centre, scale, reference, np.sort(scores))

    @classmethod
    def fit_groups(cls, X: Rows, groups: Sequence[str], columns: Sequence[int]) -> Self:
        """Learn from training rows that fall into groups, such as families of networks.

        A row of a new group has no neighbours of its own group. The calibration therefore compares
        each row with the other groups only, so that few rows of a new group are called outliers.

        Parameters
        ----------
        X : ndarray of shape (n, features)
            Training rows.
        groups : sequence of str
            Group of each row, at least two.
        columns : sequence of int
            Features to compare; the others do not count.

        Returns
        -------
        OutlierDetector
            The calibrated detector.
        """
        distinct = np.unique(X, axis=0, return_index=True)[1]
        X, names = X[distinct], np.array(groups)[distinct]
        present = np.ma.masked_invalid(X.astype(np.float64))
        scale = np.full(X.shape[1], UNUSED, np.float32)
        spread = np.ma.filled(present.std(axis=0), 0.0).astype(np.float32)
        scale[columns] = np.maximum(spread, 1e-6)[columns] * _LINEAR
        centre = np.ma.filled(present.mean(axis=0), 0.0).astype(np.float32)
        reference = _scaled(X, centre, scale)
        scores = np.empty(len(X), np.float32)
        for name in np.unique(names):
            own = names == name
            others = cls(centre, scale, reference[~own], np.empty(0, np.float32))
            scores[own] = others._nonconformity(X[own])
        return cls(centre, scale, reference, np.sort(scores))

    def without(self, columns: Sequence[int]) -> Self:
        """Leave features out of all distances.

        Parameters
        ----------
        columns : sequence of int
            Features that do not vary in the training rows.

        Returns
        -------
        OutlierDetector
            The same detector if there are none.
        """
        scale = self.scale.copy()
        scale[list(columns)] = UNUSED
        return replace(self, scale=scale)

    def score(
        self, X: Rows
    ) -> tuple[Bool[NDArray[np.bool_], " n"], Float64[NDArray[np.float64], " n"]]:
        """Compare rows with the training rows.

        Parameters
        ----------
        X : ndarray of shape (n, features)
            Features; NaN is missing.

        Returns
        -------
        in_domain : ndarray of bool of shape (n,)
            Whether each row is like the training rows.
        score : ndarray of shape (n,)
            Outlier score, from 0 to 1; higher is less like them.
        """
        lower = np.searchsorted(self.nonconformity, self._nonconformity(X), side="left")
        score = lower / (len(self.nonconformity) + 1)
        return score < 1 - ALPHA, score

    def _nonconformity(self, X: Rows) -> PerRow:
        """Mean distance to the nearest reference rows.

        einsum sums each pair of rows by itself. A product of matrices would round a row otherwise
        in a batch than alone, or with another number of threads.
        """
        reference, norms = self._reference
        nearest = min(NEIGHBOURS, len(norms))
        scores = np.empty(len(X), np.float32)
        for start in range(0, len(X), _ROWS_AT_ONCE):
            rows = _scaled(X[start : start + _ROWS_AT_ONCE], self.centre, self.scale)
            rows = rows.astype(np.float64)
            products = np.einsum("rf,nf->rn", rows, reference)
            squared = norms + np.einsum("rf,rf->r", rows, rows)[:, None] - 2 * products
            closest = np.partition(squared, nearest - 1, axis=1)[:, :nearest]
            scores[start : start + len(rows)] = np.sqrt(closest.clip(0)).mean(axis=1)
        return scores

    @cached_property
    def _reference(
        self,
    ) -> tuple[
        Float64[NDArray[np.float64], "rows features"], Float64[NDArray[np.float64], " rows"]
    ]:
        """Reference rows in float64, and their squared norms."""
        reference = self.reference.astype(np.float64)
        return reference, np.einsum("nf,nf->n", reference, reference)

    def to_bytes(self) -> bytes:
        """Serialise the arrays.

        Returns
        -------
        bytes
            A safetensors file, which :meth:`from_bytes` reads.
        """
        names = ("centre", "scale", "reference", "nonconformity")
        return write_tensors({name: getattr(self, name) for name in names})

    @classmethod
    def from_bytes(cls, content: bytes, *, features: int) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Parameters
        ----------
        content : bytes
            A safetensors file.
        features : int
            Number of features of the bundle.

        Returns
        -------
        OutlierDetector
            The checked detector.

        Raises
        ------
        BundleError
            If the arrays are not those of a detector of so many features.
        """
        arrays = read_tensors(content)
        if "strangeness" in arrays:  # its name in schema version 1
            arrays["nonconformity"] = arrays.pop("strangeness")
        vectors = dict.fromkeys(("centre", "scale", "nonconformity"), (np.float32, 1))
        expect_tensors(arrays, {**vectors, "reference": (np.float16, 2)})
        columns = len(arrays["centre"]), len(arrays["scale"]), arrays["reference"].shape[1]
        if set(columns) != {features}:
            raise BundleError(f"the outlier detector is not of {features} features")
        detector = cls(**arrays)
        if not len(detector.reference) or not len(detector.nonconformity):
            raise BundleError("the outlier detector has no rows")
        finite = all(np.isfinite(array).all() for array in arrays.values())
        if not finite or (detector.scale <= 0).any():
            raise BundleError("the outlier detector has values that are not finite, or no scale")
        return detector


def _scaled(
    X: Rows, centre: PerFeature, scale: PerFeature
) -> Float16[NDArray[np.float16], "n features"]:
    with np.errstate(over="ignore"):
        scaled = np.arcsinh((X.astype(np.float64) - centre) / scale)
    return np.where(np.isnan(X), _MISSING, scaled).astype(np.float16)


def _robust_scale(X: Rows) -> tuple[PerFeature, PerFeature]:
    """Median and spread of each column; a constant column gets a small positive spread."""
    present = np.ma.masked_invalid(X.astype(np.float64))
    centre = np.ma.filled(np.ma.median(present, axis=0), 0.0)
    deviation = 1.4826 * np.ma.filled(np.ma.median(abs(present - centre), axis=0), 0.0)
    standard = np.ma.filled(present.std(axis=0), 0.0)
    scale = np.where(deviation > 0, deviation, standard)
    smallest = 1e-3 * np.abs(centre) + 1e-6
    return centre.astype(np.float32), np.maximum(scale, smallest).astype(np.float32)
