"""Maps labels to normal scores and back.

The distribution of accuracies is skewed: most are near the best, few are near chance. A Gaussian
process assumes normal labels, so that labels are replaced by the normal quantiles of their ranks.

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
    scores, labels : ndarray of shape (distinct labels,)
        Corresponding values, ascending. Equal labels have the mean of their ranks.
    """

    scores: Floats
    labels: Floats

    @classmethod
    def of(cls, labels: Floats) -> Self:
        """Fit the map to labels.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Finite labels.

        Returns
        -------
        NormalScores
            The map.
        """
        distinct, first = np.unique(labels, return_index=True)
        return cls(_scores(labels)[first], distinct)

    def forward(self, labels: Floats) -> Floats:
        """Map labels to scores, by linear interpolation between known labels.

        Parameters
        ----------
        labels : ndarray
            Labels.

        Returns
        -------
        ndarray
            Scores, of the same shape.
        """
        return np.interp(labels, self.labels, self.scores)

    def backward(self, scores: Floats) -> Floats:
        """Map scores to labels, which are clipped to the range of the known labels.

        Parameters
        ----------
        scores : ndarray
            Scores.

        Returns
        -------
        ndarray
            Labels, of the same shape.
        """
        return np.interp(scores, self.scores, self.labels)


def _scores(labels: Floats) -> Floats:
    return norm.ppf((rankdata(labels) - 0.5) / len(labels))
