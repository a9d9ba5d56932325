"""Scores of predictions against labels."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one target; None where they are undefined.

    Attributes
    ----------
    n
        Number of labels.
    kendall_tau, spearman_rho
        Rank correlations; tau is the b variant, which allows for ties.
    r2
        Share of the labels' variance that is explained.
    mae
        Mean absolute error, in the unit of the target.
    coverage
        Share of labels inside their interval.
    median_width
        Median width of the intervals, in the unit of the target.
    """

    n: int
    kendall_tau: float | None
    spearman_rho: float | None
    r2: float | None
    mae: float | None
    coverage: float | None
    median_width: float | None

    def to_dict(self) -> dict[str, float | int | None]:
        """The scores by name."""
        return asdict(self)


def score(label: Floats, value: Floats, lower: Floats, upper: Floats) -> Scores:
    """Score predictions with intervals; each array has shape (n,), labels may be NaN."""
    there = np.isfinite(label)
    label, value, lower, upper = label[there], value[there], lower[there], upper[there]
    if not len(label):
        return Scores(0, None, None, None, None, None, None)
    # Rank correlations and explained variance need labels that differ, and predictions that do.
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
    )


def explained(label: Floats, value: Floats) -> float:
    """Explained share of the variance, R²."""
    return 1.0 - float(np.square(label - value).sum() / np.square(label - label.mean()).sum())


def tau(label: Floats, value: Floats) -> float:
    """Kendall tau of the rows with a label, 0 where it is undefined."""
    there = np.isfinite(label)
    label, value = label[there], value[there]
    if len(label) < 2 or np.ptp(label) == 0 or np.ptp(value) == 0:
        return 0.0
    return float(kendalltau(label, value).statistic)
