"""The scale on which trees and intervals work, and the way back to the unit of the labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from acorn.errors import InputError
from acorn.targets import Target

Floats = NDArray[np.float64]
PerTarget = Float64[Floats, "n targets"]

UNLIMITED = 1e300
"""Stands for infinity as a bound of predictions, so that JSON can hold it."""


class Prediction(NamedTuple):
    """Values and interval bounds in the unit of the target, each of one shape."""

    value: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, eq=False)
class LabelScale:
    """Converts the labels of some targets to the scale of the forests and back.

    Attributes
    ----------
    lower, upper : ndarray of float, shape (targets,)
        Bounds of the targets, on the scale of the forests.
    is_log : ndarray of bool, shape (targets,)
        Whether the forests predict the logarithm of a target.
    is_rank : ndarray of bool, shape (targets,)
        Whether a target is a percentile, of which the forests predict the normal score.
    """

    lower: Float64[Floats, " targets"]
    upper: Float64[Floats, " targets"]
    is_log: Bool[NDArray[np.bool_], " targets"]
    is_rank: Bool[NDArray[np.bool_], " targets"]

    @classmethod
    def of(cls, names: Sequence[str], *, ranks: bool = False) -> Self:
        """Look up the scales of targets.

        Parameters
        ----------
        names : sequence of str
            Names of the targets.
        ranks : bool, default=False
            Whether the values are percentiles.

        Returns
        -------
        LabelScale
            One column for each name.

        Raises
        ------
        UnknownTargetError
            If a name is not a target's.
        """
        targets = [Target.of(name).ranks if ranks else Target.of(name) for name in names]
        is_log, is_rank = (
            np.array([target.scale == scale for target in targets]) for scale in ("log", "rank")
        )
        bounds = np.array([(target.lower, target.upper) for target in targets])
        bounds = bounds.clip(-UNLIMITED, UNLIMITED)
        with np.errstate(divide="ignore"):  # the logarithm of 0 is no bound
            bounds[is_log] = np.log(bounds[is_log])
        bounds[is_rank] = [-UNLIMITED, UNLIMITED]
        return cls(bounds[:, 0], bounds[:, 1], is_log, is_rank)

    def columns(self, numbers: Sequence[int]) -> "LabelScale":
        """Select some of the targets.

        Parameters
        ----------
        numbers : sequence of int
            Columns to keep.

        Returns
        -------
        LabelScale
            One column for each number.
        """
        at = list(numbers)
        return LabelScale(self.lower[at], self.upper[at], self.is_log[at], self.is_rank[at])

    def to_model(self, labels: PerTarget) -> PerTarget:
        """Convert labels to the scale of the forests.

        Parameters
        ----------
        labels : ndarray of float, shape (n, targets)
            Labels in the units of the targets; NaN is missing.

        Returns
        -------
        ndarray of float, shape (n, targets)
            Labels on the scale of the forests.

        Raises
        ------
        InputError
            If a label of a target on a log scale is not above 0.
        """
        if (low := labels[:, self.is_log] <= 0).any():
            got = labels[:, self.is_log][low][0]
            raise InputError(f"got a label of {got:g}; expected labels above 0 on a log scale")
        return self._converted(labels, np.log, lambda percent: ndtri(percent / 100))

    def to_label(self, values: PerTarget) -> PerTarget:
        """Convert values back to the units of the targets.

        Parameters
        ----------
        values : ndarray of float, shape (n, targets)
            Values on the scale of the forests.

        Returns
        -------
        ndarray of float, shape (n, targets)
            Values in the units of the targets.
        """
        return self._converted(values, np.exp, lambda score: 100 * ndtr(score))

    def clip(self, values: PerTarget) -> PerTarget:
        """Limit values to the bounds of the targets.

        Parameters
        ----------
        values : ndarray of float, shape (n, targets)
            Values on the scale of the forests.

        Returns
        -------
        ndarray of float, shape (n, targets)
            Values on the scale of the forests, within the bounds.
        """
        return np.clip(values, self.lower, self.upper)

    def prediction(self, value: PerTarget, half: PerTarget) -> Prediction:
        """Convert predictions with their intervals to the units of the targets.

        Parameters
        ----------
        value, half : ndarray of float, shape (n, targets)
            Predictions, and half the widths of their intervals, on the scale of the forests.

        Returns
        -------
        Prediction
            Arrays of shape (n, targets); the interval is within the bounds.
        """
        lower, upper = self.clip(value - half), self.clip(value + half)
        return Prediction(*map(self.to_label, (value, lower, upper)))

    def _converted(
        self, values: PerTarget, of_log: Callable[..., Floats], of_rank: Callable[..., Floats]
    ) -> PerTarget:
        for columns, function in ((self.is_log, of_log), (self.is_rank, of_rank)):
            if columns.any():
                values = values.copy()
                values[:, columns] = function(values[:, columns])
        return values
