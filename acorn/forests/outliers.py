"""Whether a row of features is like those that a forest learned from.

The strangeness of a row is its mean distance to its nearest neighbours among reference rows, on
robustly scaled features. Other training rows, that are no reference, say how strange rows of the
domain are: the score of a row is the share of them that are less strange (one minus the conformal
p-value), so that of new rows of the domain at most a share ALPHA is called strange.

References
----------
Ramaswamy et al., Efficient algorithms for mining outliers, 2000 (nearest neighbours). Laxhammar and
Falkman, Conformal prediction for distribution-independent anomaly detection, 2010.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from acorn.errors import BundleError
from acorn.forests.tensors import expect_tensors, read_tensors

ALPHA = 0.04
"""Largest share of false alarms on rows of the domain, on average over draws of the calibration
rows; small enough that the share of a given draw stays below .05."""

NEIGHBOURS = 5
REFERENCE_BYTES = 1_200_000
"""Most that the reference rows take in a file."""

_MISSING = 3.0  # where a missing value stands: far from most values, at the place of its like
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Domain:
    """Reference rows, and the strangeness of calibration rows.

    Attributes
    ----------
    centre, scale
        Of each feature: median and robust spread, shape (features,).
    reference
        Scaled rows, shape (rows, features), in float16.
    strangeness
        Ascending strangeness of calibration rows.
    """

    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    reference: NDArray[np.float16]
    strangeness: NDArray[np.float32]

    @classmethod
    def fit(cls, X: NDArray[np.float32], *, seed: int) -> Self:
        """Learn from one row a function, shape (n, features), n at least 2."""
        centre, scale = _robust_scale(X)
        order = np.random.default_rng(seed).permutation(len(X))
        references = min(len(X) // 2, max(1, REFERENCE_BYTES // (2 * X.shape[1])))
        made = cls(centre, scale, np.empty((0, X.shape[1]), np.float16), np.empty(0, np.float32))
        made = cls(centre, scale, made._scaled(X[order[:references]]), made.strangeness)
        strangeness = np.sort(made._strangeness(X[order[references:]]))
        return cls(centre, scale, made.reference, strangeness)

    def score(self, X: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Judge rows of shape (n, features).

        Returns
        -------
        tuple
            Whether each row is in the domain, and its score in 0..1, where higher is stranger.
        """
        less_strange = np.searchsorted(self.strangeness, self._strangeness(X), side="left")
        score = less_strange / (len(self.strangeness) + 1)
        return score < 1 - ALPHA, score

    def _scaled(self, X: NDArray[np.float32]) -> NDArray[np.float16]:
        with np.errstate(over="ignore"):
            scaled = np.arcsinh((X.astype(np.float64) - self.centre) / self.scale)
        return np.where(np.isnan(X), _MISSING, scaled).astype(np.float16)

    def _strangeness(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        reference, norms = self._unpacked
        nearest = min(NEIGHBOURS, len(norms))
        found = np.empty(len(X), np.float32)
        for start in range(0, len(X), _ROWS_AT_ONCE):
            rows = self._scaled(X[start : start + _ROWS_AT_ONCE]).astype(np.float32)
            squared = norms + np.square(rows).sum(axis=1)[:, None] - 2 * rows @ reference
            closest = np.partition(squared, nearest - 1, axis=1)[:, :nearest]
            found[start : start + len(rows)] = np.sqrt(closest.clip(0)).mean(axis=1)
        return found

    @cached_property
    def _unpacked(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Reference rows in float32, one a column, and their squared norms."""
        reference = self.reference.astype(np.float32)
        return np.ascontiguousarray(reference.T), np.square(reference).sum(axis=1)

    def to_bytes(self) -> bytes:
        """The arrays as one safetensors file."""
        names = ("centre", "scale", "reference", "strangeness")
        return save({name: np.ascontiguousarray(getattr(self, name)) for name in names})

    @classmethod
    def from_bytes(cls, content: bytes, *, features: int) -> Self:
        """Read :meth:`to_bytes`; raises BundleError where it does not fit the features."""
        arrays = read_tensors(content)
        single = (np.float32, 1)
        expect_tensors(
            arrays,
            {
                "centre": single,
                "scale": single,
                "reference": (np.float16, 2),
                "strangeness": single,
            },
        )
        made = cls(**arrays)
        if not len(made.centre) == len(made.scale) == made.reference.shape[1] == features:
            raise BundleError(f"the domain model is not of {features} features")
        if not len(made.reference) or not len(made.strangeness):
            raise BundleError("the domain model has no rows")
        if (
            not all(np.isfinite(array).all() for array in arrays.values())
            or (made.scale <= 0).any()
        ):
            raise BundleError("the domain model has values that are no numbers, or scales of zero")
        return made


def _robust_scale(X: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Median and spread of each column; a constant gets the smallest change that is sure to be."""
    present = np.ma.masked_invalid(X.astype(np.float64))
    centre = np.ma.filled(np.ma.median(present, axis=0), 0.0)
    deviation = 1.4826 * np.ma.filled(np.ma.median(abs(present - centre), axis=0), 0.0)
    standard = np.ma.filled(present.std(axis=0), 0.0)
    scale = np.where(deviation > 0, deviation, standard)
    return centre.astype(np.float32), np.maximum(scale, 1e-3 * np.abs(centre) + 1e-6).astype(
        np.float32
    )
