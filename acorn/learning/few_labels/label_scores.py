"""Maps few labels to scores and back: half normal scores, half labels in standard units.

Normal scores alone spread the best labels, which differ little, as widely as the worst. Labels
alone let a single bad architecture dominate. Beyond the known labels the map is a straight line,
because the best of ten labels is not the best of the population.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from acorn.learning.smoothing.scores import NormalScores

Floats = NDArray[np.float64]
Values = Float64[Floats, "*shape"]

_LEAST_SCALE = 1e-6


@dataclass(frozen=True)
class LabelScores:
    """Maps the labels of one target to scores and back.

    Attributes
    ----------
    normal : NormalScores
        Map to normal scores.
    centre, scale : float
        Mean and standard deviation of the labels.
    """

    normal: NormalScores
    centre: float
    scale: float

    @classmethod
    def of(cls, labels: Float64[Floats, " n"]) -> Self:
        """Fit the map to labels.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Finite labels, at least one.

        Returns
        -------
        LabelScores
            The map.
        """
        scale = max(float(labels.std()), _LEAST_SCALE)
        return cls(NormalScores.of(labels), float(labels.mean()), scale)

    def forward(self, labels: Values) -> Values:
        """Map labels to scores.

        Parameters
        ----------
        labels : ndarray
            Labels.

        Returns
        -------
        ndarray
            Scores, of the same shape.
        """
        return (self.normal.forward(labels) + (labels - self.centre) / self.scale) / 2

    def backward(self, scores: Values) -> Values:
        """Map scores to labels.

        Parameters
        ----------
        scores : ndarray
            Scores.

        Returns
        -------
        ndarray
            Labels, of the same shape; not clipped to the bounds of the target.
        """
        labels = self.normal.labels
        knots = self.forward(labels)
        beyond = scores - np.clip(scores, knots[0], knots[-1])
        return np.interp(scores, knots, labels) + self.scale * beyond

    def spread(self, scores: Values, deviation: Values) -> Values:
        """Map standard deviations of scores to labels.

        Parameters
        ----------
        scores, deviation : ndarray
            Scores, and their standard deviations.

        Returns
        -------
        ndarray
            Standard deviations of labels, of the same shape.
        """
        return (self.backward(scores + deviation) - self.backward(scores - deviation)) / 2
