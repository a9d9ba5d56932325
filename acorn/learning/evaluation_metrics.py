"""Metrics that compare predictions with labels."""

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr

Floats = Float64[NDArray[np.float64], " n"]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one target; a score that is undefined is None.

    Attributes
    ----------
    n : int
        Number of labels.
    kendall_tau, spearman_rho : float or None
        Rank correlations. Kendall's tau is the variant b, which accounts for ties.
    r2 : float or None
        Share of the variance of the labels that is explained.
    mae : float or None
        Mean absolute error, in the unit of the target.
    coverage : float or None
        Share of labels inside their interval.
    median_width : float or None
        Median width of the intervals, in the unit of the target.
    median_relative_error : float or None, default=None
        Median of the absolute errors as shares of the labels, for targets on a log scale.
    """

    n: int
    kendall_tau: float | None
    spearman_rho: float | None
    r2: float | None
    mae: float | None
    coverage: float | None
    median_width: float | None
    median_relative_error: float | None = None

    def to_dict(self) -> dict[str, float | int | None]:
        """Convert to plain values.

        Returns
        -------
        dict
            Each score by name, without a relative error if there is none.
        """
        scores = asdict(self)
        if self.median_relative_error is None:
            del scores["median_relative_error"]
        return scores


def score(
    label: Floats, value: Floats, lower: Floats, upper: Floats, *, relative: bool = False
) -> Scores:
    """Score predictions with intervals.

    Parameters
    ----------
    label : ndarray of shape (n,)
        Labels; rows with NaN are left out.
    value, lower, upper : ndarray of shape (n,)
        Predictions and bounds of their intervals, in the unit of the labels.
    relative : bool, default=False
        Whether to compute the relative error; labels are above 0.

    Returns
    -------
    Scores
        All scores.
    """
    labelled = np.isfinite(label)
    label, value, lower, upper = (array[labelled] for array in (label, value, lower, upper))
    if not len(label):
        return Scores(0, None, None, None, None, None, None)
    # Rank correlations need labels and predictions that vary, explained variance labels that do.
    varied = len(label) > 1 and np.ptp(label) > 0
    ranked = varied and np.ptp(value) > 0
    return Scores(
        n=len(label),
        kendall_tau=float(kendalltau(label, value).statistic) if ranked else None,
        spearman_rho=float(spearmanr(label, value).statistic) if ranked else None,
        r2=explained(label, value) if varied else None,
        mae=float(np.abs(label - value).mean()),
        coverage=float(((lower <= label) & (label <= upper)).mean()),
        median_width=float(np.median(upper - lower)),
        median_relative_error=float(np.median(np.abs(value / label - 1))) if relative else None,
    )


def explained(label: Floats, value: Floats) -> float:
    """Explained share of the variance, R².

    Parameters
    ----------
    label, value : ndarray of shape (n,)
        Labels, which are finite and vary, and predictions.

    Returns
    -------
    float
        At most 1.
    """
    return 1.0 - float(np.square(label - value).sum() / np.square(label - label.mean()).sum())


def tau(label: Floats, value: Floats) -> float:
    """Kendall's tau b of the rows that have a label.

    Parameters
    ----------
    label : ndarray of shape (n,)
        Labels; rows with NaN are left out.
    value : ndarray of shape (n,)
        Predictions.

    Returns
    -------
    float
        From -1 to 1; 0 if it is undefined.
    """
    labelled = np.isfinite(label)
    label, value = label[labelled], value[labelled]
    if len(label) < 2 or np.ptp(label) == 0 or np.ptp(value) == 0:
        return 0.0
    return float(kendalltau(label, value).statistic)
