"""Maps labels to normal scores and back.

The distribution of accuracies is skewed: most are near the best, few are near chance. A Gaussian
process assumes normal labels, so that labels are replaced by the normal quantiles of their ranks.

References
----------
Conover, Practical nonparametric statistics, 1999, section 5.10 (normal scores).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from acorn.forests.label_scale import UNLIMITED

Floats = NDArray[np.float64]

LEAST_SHARE = 0.003
"""Least distance to a bound, as a share of the range of a target."""


@dataclass(frozen=True)
class NormalScores:
    """Maps the labels of one target to normal scores and back.

    Attributes
    ----------
    scores, labels : ndarray of shape (distinct labels,)
        Corresponding values, ascending. Equal labels have the mean of their ranks.
    """

    scores: Float64[Floats, " distinct"]
    labels: Float64[Floats, " distinct"]

    @classmethod
    def of(cls, labels: Float64[Floats, " n"]) -> Self:
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
        return cls(normal_quantiles(labels)[first], distinct)

    def forward(self, labels: Float64[Floats, "*shape"]) -> Float64[Floats, "*shape"]:
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

    def backward(self, scores: Float64[Floats, "*shape"]) -> Float64[Floats, "*shape"]:
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


def normal_quantiles(values: Float64[Floats, "*shape"]) -> Float64[Floats, "*shape"]:
    """Replace values by the normal quantiles of their ranks.

    Parameters
    ----------
    values : ndarray of shape (n,) or (n, columns)
        Finite values; columns are ranked by themselves.

    Returns
    -------
    ndarray
        Of the same shape. Equal values have the quantile of the mean of their ranks.
    """
    return norm.ppf((rankdata(values, axis=0) - 0.5) / len(values))


FORMS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "linear": (np.asarray, np.asarray),
    "log odds": (logit, expit),
    "log distance to the upper bound": (
        lambda share: -np.log1p(-share),
        lambda score: -np.expm1(-score),
    ),
}
"""Maps of a share of the range of a target to scores, and back."""


@dataclass(frozen=True)
class SymmetricScores:
    """Maps the labels of one target to standardised scores and back, by a smooth function.

    Accuracies near 100% have a long lower tail: the same step of the scores is a smaller step of
    the labels there. The form is that of the least skewed scores.

    Attributes
    ----------
    form : str
        A key of :data:`FORMS`.
    lower, range : float
        Lower bound of the labels, and its distance to the upper bound.
    mean, deviation : float
        Of the scores of the training labels before they are standardised.
    """

    form: str
    lower: float
    range: float
    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, labels: Float64[Floats, " n"], lower: float, upper: float) -> Self:
        """Choose the form for labels.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Finite labels.
        lower, upper : float
            Their bounds. Scores are linear if one of them is infinite, or if all labels are equal.

        Returns
        -------
        SymmetricScores
            The map.
        """
        if max(-lower, upper) >= UNLIMITED:
            candidates = [cls("linear", 0.0, 1.0)]
        else:
            candidates = [cls(form, lower, upper - lower) for form in FORMS]
        scores = [candidate.forward(labels) for candidate in candidates]
        best = int(np.argmin([abs(_skewness(values)) for values in scores]))
        mean, deviation = float(scores[best].mean()), max(float(scores[best].std()), 1e-9)
        return replace(candidates[best], mean=mean, deviation=deviation)

    def forward(self, labels: Float64[Floats, "*shape"]) -> Float64[Floats, "*shape"]:
        """Map labels to scores.

        Parameters
        ----------
        labels : ndarray
            Labels; those next to a bound are moved inside.

        Returns
        -------
        ndarray
            Scores, of the same shape.
        """
        share = (labels - self.lower) / self.range
        if self.form != "linear":
            share = share.clip(LEAST_SHARE, 1 - LEAST_SHARE)
        return (FORMS[self.form][0](share) - self.mean) / self.deviation

    def backward(self, scores: Float64[Floats, "*shape"]) -> Float64[Floats, "*shape"]:
        """Map scores to labels.

        Parameters
        ----------
        scores : ndarray
            Scores.

        Returns
        -------
        ndarray
            Labels, of the same shape.
        """
        share = FORMS[self.form][1](scores * self.deviation + self.mean)
        return self.lower + self.range * share


def _skewness(values: Float64[Floats, " n"]) -> float:
    """Third standardised moment; 0 of equal values."""
    centred = values - values.mean()
    return float((centred**3).mean() / max(float(centred.std()), 1e-9) ** 3)
