"""Prediction intervals whose width follows how much the trees disagree.

On rows that the trees did not see, the score of a row is ``|label - prediction| / (spread + beta)``
with the standard deviation across trees as spread. The interval at level ``p`` is the prediction
plus and minus ``(spread + beta)`` times the conformal quantile of the scores: among ``n`` scores
the one of rank ``ceil((n + 1) p)``. For exchangeable rows the coverage is then at least ``p``.

References
----------
Papadopoulos et al., Regression conformal prediction with nearest neighbours, 2011 (normalised
scores). Johansson et al., Regression conformal prediction with random forests, 2014. Barber et al.,
Predictive inference with the jackknife+, 2021 (held-out folds in place of a calibration set).
"""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from models.errors import BundleError, InputError
from models.forests.tensors import expect_tensors, read_tensors

Floats = NDArray[np.float64]

KEPT_SCORES = 2001
"""Scores kept for a target; between two kept ones the larger counts, which never narrows."""

_BETAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # in units of the mean spread


@dataclass(frozen=True, eq=False)
class Intervals:
    """Calibrated scores of each target.

    Attributes
    ----------
    beta
        Floor of the spread, in percent points, shape (targets,).
    size
        Number of rows that calibrated each target, shape (targets,).
    scores
        Ascending scores, thinned evenly by rank, shape (targets, kept).
    """

    beta: NDArray[np.float32]
    size: NDArray[np.int32]
    scores: NDArray[np.float32]

    @classmethod
    def fit(cls, residuals: Floats, spread: Floats) -> Self:
        """Calibrate on rows that the trees did not see.

        Parameters
        ----------
        residuals
            Label minus prediction, shape (n, targets), NaN where there is no label.
        spread
            Standard deviation across trees, shape (n, targets).
        """
        fitted = [
            _fit_one(r[np.isfinite(r)], s[np.isfinite(r)])
            for r, s in zip(residuals.T, spread.T, strict=True)
        ]
        beta, size, scores = zip(*fitted, strict=True)
        return cls(np.array(beta, np.float32), np.array(size, np.int32), np.stack(scores))

    def half_width(self, spread: Floats, level: float, targets: list[int]) -> Floats:
        """Half the width of the intervals at a level, infinite where there are too few scores.

        Parameters
        ----------
        spread
            Shape (n, len(targets)).
        level
            Wanted coverage, inside (0, 1).
        targets
            Columns of the calibration.
        """
        if not 0 < level < 1:
            raise InputError(f"got an interval level of {level}; expected a number inside (0, 1)")
        quantiles = [_quantile(self.scores[t], int(self.size[t]), level) for t in targets]
        return (spread + self.beta[targets]) * np.array(quantiles)

    def to_bytes(self) -> bytes:
        """The arrays as one safetensors file."""
        return save(
            {"beta": self.beta, "size": self.size, "scores": np.ascontiguousarray(self.scores)}
        )

    @classmethod
    def from_bytes(cls, content: bytes, *, targets: int) -> Self:
        """Read :meth:`to_bytes`; raises BundleError where it does not fit the number of targets."""
        arrays: dict[str, NDArray[Any]] = read_tensors(content)
        expect_tensors(
            arrays, {"beta": (np.float32, 1), "size": (np.int32, 1), "scores": (np.float32, 2)}
        )
        if {len(array) for array in arrays.values()} != {targets}:
            raise BundleError(f"intervals are not of {targets} targets")
        made = cls(**arrays)
        sound = (
            made.scores.shape[1] > 0
            and np.isfinite(made.scores).all()
            and (made.scores >= 0).all()
            and (np.diff(made.scores, axis=1) >= 0).all()
            and np.isfinite(made.beta).all()
            and (made.beta > 0).all()
            and (made.size > 0).all()
        )
        if not sound:
            raise BundleError("interval scores must be finite, not negative and in ascending order")
        return made


def _fit_one(residual: Floats, spread: Floats) -> tuple[float, int, NDArray[np.float32]]:
    """Calibrate one target.

    Of the floors, the one is taken under which Laplace errors of scale ``spread + beta`` are most
    likely: it evens out coverage between rows that are easy and rows that are hard. (The floor of
    the narrowest intervals would buy width on hard rows with their coverage.)
    """
    mean_spread = max(float(spread.mean()), 1e-3)
    size = np.maximum(np.abs(residual), 1e-9)

    def surprise(beta: float) -> float:
        return float(np.log((size / (spread + beta)).mean()) + np.log(spread + beta).mean())

    beta = min((mean_spread * factor for factor in _BETAS), key=surprise)
    scores = np.sort(np.abs(residual) / (spread + beta))
    kept = np.ceil(np.linspace(0, len(scores) - 1, KEPT_SCORES)).astype(int)
    return beta, len(scores), np.nextafter(scores[kept].astype(np.float32), np.float32(np.inf))


def _quantile(scores: NDArray[np.float32], size: int, level: float) -> float:
    rank = math.ceil((size + 1) * level)
    if rank > size:
        return math.inf
    place = math.ceil((rank - 1) * (len(scores) - 1) / (size - 1)) if size > 1 else 0
    return float(scores[place])
