"""Normal scores of labels, and the way back to percent.

Accuracies crowd near the best and trail off towards chance. Their ranks, spread as those of a
normal variable, are what a Gaussian process takes its labels for.

References
----------
Conover, Practical nonparametric statistics, 1999, section 5.10 (normal scores).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NormalScores:
    """Maps the labels of one target to normal scores and back.

    Attributes
    ----------
    scores, labels
        Corresponding values, ascending; equal labels share the mean of their ranks.
    """

    scores: Floats
    labels: Floats

    @classmethod
    def of(cls, labels: Floats) -> Self:
        """Learn from labels of shape (n,), all finite."""
        distinct, first = np.unique(labels, return_index=True)
        return cls(_scores(labels)[first], distinct)

    def forward(self, labels: Floats) -> Floats:
        """Scores of labels; between known labels by a straight line."""
        return np.interp(labels, self.labels, self.scores)

    def backward(self, scores: Floats) -> Floats:
        """Labels of scores, never beyond the lowest and highest known label."""
        return np.interp(scores, self.scores, self.labels)


def _scores(labels: Floats) -> Floats:
    return norm.ppf((rankdata(labels) - 0.5) / len(labels))
