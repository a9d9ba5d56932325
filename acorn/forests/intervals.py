"""Conformal prediction intervals, scaled by the standard deviation across trees.

On rows that the trees did not see, the score of a row is ``|label - prediction| / (spread + beta)``
with the standard deviation across trees as spread. The interval at level ``p`` is the prediction
plus and minus ``(spread + beta)`` times the conformal quantile of the scores: among ``n`` scores
the one of rank ``ceil((n + 1) p)``. For exchangeable rows the coverage is then at least ``p``.

If there are enough rows, each third of the predictions has its own scores, so that coverage holds
for networks of low, medium and high predicted accuracy alike.

References
----------
Vovk et al., Mondrian confidence machine, 2003 (scores by category).
Papadopoulos et al., Regression conformal prediction with nearest neighbours, 2011 (normalised
scores). Johansson et al., Regression conformal prediction with random forests, 2014. Barber et al.,
Predictive inference with the jackknife+, 2021 (held-out folds in place of a calibration set).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Float32, Float64, Int32
from numpy.typing import NDArray
from scipy.stats import t

from acorn.errors import BundleError, InputError
from acorn.forests._tensors import expect_tensors, read_tensors, write_tensors

Floats = NDArray[np.float64]
PerTarget = Float64[Floats, "n targets"]
OfTarget = Float64[Floats, " n"]

PARTS = 3
"""Parts of the predicted range."""

LEAST_A_PART = 200
"""Least rows of a part; with fewer, all rows calibrate together, since high levels need many."""

KEPT_SCORES = 667
"""Scores kept for a part. Between two kept scores the larger one is used, so that thinning never
narrows an interval."""

_LEAST_BETA = 1e-6
_BETAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # in units of the mean spread


@dataclass(frozen=True, eq=False)
class Intervals:
    """Calibrated scores of each target.

    Attributes
    ----------
    edges : ndarray of float32 of shape (targets, PARTS - 1)
        Predictions that divide the parts; infinite if all rows are one part.
    beta : ndarray of float32 of shape (targets,)
        Floor of the spread, on the scale of the labels that were fitted.
    size : ndarray of int32 of shape (targets, PARTS)
        Number of rows that calibrated each part.
    scores : ndarray of float32 of shape (targets, PARTS, kept)
        Ascending scores, thinned evenly by rank.
    """

    edges: Float32[NDArray[np.float32], "targets edges"]
    beta: Float32[NDArray[np.float32], " targets"]
    size: Int32[NDArray[np.int32], "targets edges+1"]
    scores: Float32[NDArray[np.float32], "targets edges+1 kept"]

    @classmethod
    def fit(cls, residuals: PerTarget, value: PerTarget, spread: PerTarget) -> Self:
        """Calibrate on rows that the trees did not see.

        Parameters
        ----------
        residuals : ndarray of shape (n, targets)
            Label minus prediction; NaN if there is no label.
        value, spread : ndarray of shape (n, targets)
            Prediction, and standard deviation across trees, on the scale of the labels.

        Returns
        -------
        Intervals
            The calibrated intervals.
        """
        fitted = [
            _fit_one(*(column[np.isfinite(r)] for column in (r, v, s)))
            for r, v, s in zip(residuals.T, value.T, spread.T, strict=True)
        ]
        edges, beta, size, scores = zip(*fitted, strict=True)
        return cls(np.stack(edges), np.array(beta, np.float32), np.stack(size), np.stack(scores))

    @classmethod
    def of_student(cls, factor: OfTarget, freedom: OfTarget, *, floor: float = _LEAST_BETA) -> Self:
        """Make intervals of errors that follow Student's t, for too few rows to calibrate on.

        Parameters
        ----------
        factor : ndarray of shape (targets,)
            Scale of the errors, in units of the spread.
        freedom : ndarray of shape (targets,)
            Degrees of freedom.
        floor : float, default=1e-6
            Floor of the spread.

        Returns
        -------
        Intervals
            The quantile at each level is that of the distribution.
        """
        levels = np.arange(1, KEPT_SCORES + 1) / (KEPT_SCORES + 1)
        quantiles = t.ppf((1 + levels) / 2, freedom[:, None]) * factor[:, None]
        targets = len(factor)
        return cls(
            np.full((targets, PARTS - 1), np.inf, np.float32),
            np.full(targets, floor, np.float32),
            np.full((targets, PARTS), KEPT_SCORES, np.int32),
            np.repeat(quantiles[:, None], PARTS, axis=1).astype(np.float32),
        )

    @classmethod
    def joined(cls, parts: "Sequence[Intervals]") -> "Intervals":
        """Join the intervals of several sets of targets.

        Parameters
        ----------
        parts : sequence of Intervals
            At least one.

        Returns
        -------
        Intervals
            Those of all targets, in the order of the parts.
        """
        names = ("edges", "beta", "size", "scores")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def half_width(
        self, value: PerTarget, spread: PerTarget, level: float, targets: Sequence[int]
    ) -> PerTarget:
        """Half the width of the intervals at a level.

        Parameters
        ----------
        value, spread : ndarray of shape (n, len(targets))
            Prediction, and standard deviation across trees, on the scale of the labels.
        level : float
            Wanted coverage, inside (0, 1).
        targets : sequence of int
            Columns of the calibration.

        Returns
        -------
        ndarray of shape (n, len(targets))
            On the scale of the labels; infinite if there are too few scores for the level.

        Raises
        ------
        InputError
            If the level is not inside (0, 1).
        """
        if not 0 < level < 1:
            raise InputError(f"got an interval level of {level}; expected a number inside (0, 1)")
        half = np.empty(spread.shape)
        for column, target in enumerate(targets):
            parts = zip(self.scores[target], self.size[target].tolist(), strict=True)
            quantiles = np.array([_quantile(scores, size, level) for scores, size in parts])
            part = np.searchsorted(self.edges[target], value[:, column], side="right")
            half[:, column] = (spread[:, column] + self.beta[target]) * quantiles[part]
        return half

    def to_bytes(self) -> bytes:
        """Serialise the arrays.

        Returns
        -------
        bytes
            A safetensors file, which :meth:`from_bytes` reads.
        """
        names = ("edges", "beta", "size", "scores")
        return write_tensors({name: getattr(self, name) for name in names})

    @classmethod
    def from_bytes(cls, content: bytes, *, targets: int) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Parameters
        ----------
        content : bytes
            A safetensors file.
        targets : int
            Number of targets of the bundle.

        Returns
        -------
        Intervals
            The checked intervals.

        Raises
        ------
        BundleError
            If the arrays are not those of intervals of so many targets.
        """
        arrays: dict[str, NDArray[Any]] = read_tensors(content)
        expect_tensors(
            arrays,
            {
                "edges": (np.float32, 2),
                "beta": (np.float32, 1),
                "size": (np.int32, 2),
                "scores": (np.float32, 3),
            },
        )
        if {len(array) for array in arrays.values()} != {targets}:
            raise BundleError(f"intervals are not of {targets} targets")
        parts = arrays["size"].shape[1]
        if arrays["edges"].shape[1] != parts - 1 or arrays["scores"].shape[1] != parts:
            raise BundleError("intervals have edges, sizes and scores of different parts")
        intervals = cls(**arrays)
        valid = (
            intervals.scores.shape[2] > 0
            and not np.isnan(intervals.edges).any()
            and (intervals.edges[:, 1:] >= intervals.edges[:, :-1]).all()
            and np.isfinite(intervals.scores).all()
            and (intervals.scores >= 0).all()
            and (np.diff(intervals.scores, axis=2) >= 0).all()
            and np.isfinite(intervals.beta).all()
            and (intervals.beta > 0).all()
            and (intervals.size > 0).all()
        )
        if not valid:
            raise BundleError("interval scores must be finite, not negative and in ascending order")
        return intervals


def _fit_one(
    residual: OfTarget, value: OfTarget, spread: OfTarget
) -> tuple[
    Float32[NDArray[np.float32], " edges"],
    float,
    Int32[NDArray[np.int32], " parts"],
    Float32[NDArray[np.float32], "parts kept"],
]:
    """Calibrate one target.

    The floor ``beta`` is the one of the highest likelihood if errors follow a Laplace distribution
    of scale ``spread + beta``. It evens out the coverage between easy and hard rows. The floor of
    the narrowest intervals would lower the coverage of hard rows.
    """
    mean_spread = max(float(spread.mean()), 1e-3)
    size = np.maximum(np.abs(residual), 1e-9)

    def negative_log_likelihood(beta: float) -> float:
        return float(np.log((size / (spread + beta)).mean()) + np.log(spread + beta).mean())

    beta = min((mean_spread * factor for factor in _BETAS), key=negative_log_likelihood)
    scores = np.abs(residual) / (spread + beta)
    edges = np.quantile(value, np.arange(1, PARTS) / PARTS).astype(np.float32)
    part = np.searchsorted(edges, value, side="right")
    if np.bincount(part, minlength=PARTS).min() < LEAST_A_PART:
        edges, part = np.full(PARTS - 1, np.inf, np.float32), np.zeros(len(value), np.int64)
    groups = [scores[part == p] if (part == p).any() else scores for p in range(PARTS)]
    sizes = np.array([len(group) for group in groups], np.int32)
    return edges, beta, sizes, np.stack([_thinned(np.sort(group)) for group in groups])


def _thinned(scores: OfTarget) -> Float32[NDArray[np.float32], " kept"]:
    kept = np.ceil(np.linspace(0, len(scores) - 1, KEPT_SCORES)).astype(int)
    return np.nextafter(scores[kept].astype(np.float32), np.float32(np.inf))


def _quantile(scores: Float32[NDArray[np.float32], " kept"], size: int, level: float) -> float:
    rank = math.ceil((size + 1) * level)
    if rank > size:
        return math.inf
    place = math.ceil((rank - 1) * (len(scores) - 1) / (size - 1)) if size > 1 else 0
    return float(scores[place])
