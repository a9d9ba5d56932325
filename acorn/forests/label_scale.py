"""The scale on which trees and intervals work, and the way back to the unit of the labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from acorn.errors import InputError
from acorn.targets import Target

Floats = NDArray[np.float64]

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
    """

    lower: Floats
    upper: Floats
    is_log: NDArray[np.bool_]

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """Look up the scales of targets.

        Parameters
        ----------
        names : sequence of str
            Names of the targets.

        Returns
        -------
        LabelScale
            One column for each name.

        Raises
        ------
        UnknownTargetError
            If a name is not a target's.
        """
        targets = [Target.of(name) for name in names]
        is_log = np.array([target.scale == "log" for target in targets])
        bounds = np.array([(target.lower, target.upper) for target in targets])
        bounds = bounds.clip(-UNLIMITED, UNLIMITED)
        with np.errstate(divide="ignore"):  # the logarithm of 0 is no bound
            bounds[is_log] = np.log(bounds[is_log])
        return cls(bounds[:, 0], bounds[:, 1], is_log)

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
        positions = list(numbers)
        return LabelScale(self.lower[positions], self.upper[positions], self.is_log[positions])

    def to_model(self, labels: Floats) -> Floats:
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
        return self._converted(labels, np.log)

    def to_label(self, values: Floats) -> Floats:
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
        return self._converted(values, np.exp)

    def clip(self, values: Floats) -> Floats:
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

    def prediction(self, value: Floats, half: Floats) -> Prediction:
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

    def _converted(self, values: Floats, function: np.ufunc) -> Floats:
        if not self.is_log.any():
            return values
        values = values.copy()
        values[:, self.is_log] = function(values[:, self.is_log])
        return values
