"""The numbers behind a report's figures and tables."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from acorn.forests import Prediction, bounded
from acorn.learning.evaluation_metrics import tau
from acorn.learning.labels import Labels
from acorn.pareto import pareto_front
from acorn.targets import ADVERSARIAL, PERCENT, Target
from training.evaluation.evaluate import Evaluation

Floats = NDArray[np.float64]

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Levels of the intervals whose coverage a report shows."""

LEAST_PAIRS = 50
"""Least equivalence classes with two measurements for a ceiling."""

MOST_EQUAL = 0.01
"""Largest chance of equal labels by coincidence at which copies of a measurement can be told."""

CLEAN = "clean"
ROBUST_FIRST = ("pgd_linf_1.0", "adv.pgd_linf_8")
"""Targets that clean accuracy is shown against if the bundle has them."""


def coverage(evaluation: Evaluation, targets: Sequence[str], y: Floats) -> Floats:
    """Share of labels inside the intervals of each of :data:`LEVELS`.

    Parameters
    ----------
    evaluation : Evaluation
        Gives the bundle and the features.
    targets : sequence of str
        Targets of the columns of ``y``.
    y : numpy.ndarray
        Labels, shape (architectures, targets); NaN is missing.

    Returns
    -------
    numpy.ndarray
        Shape (targets, levels); NaN if there is no label.
    """
    bundle = evaluation.bundle
    numbers = [bundle.targets.index(target) for target in targets]
    value, spread = bundle.ensemble.distribution(bounded(evaluation.X), numbers)
    labelled = np.isfinite(y).sum(axis=0)
    shares = np.full((len(targets), len(LEVELS)), np.nan)
    for i, level in enumerate(LEVELS):
        half = bundle.intervals.half_width(value, spread, level, numbers)
        _, lower, upper = bundle.scale.columns(numbers).prediction(value, half)
        held = ((lower <= y) & (y <= upper)).sum(axis=0)
        np.divide(held, labelled, out=shares[:, i], where=labelled > 0)
    return shares


class Third(NamedTuple):
    """Coverage of the intervals in a third of the predictions.

    Attributes
    ----------
    n : int
        Number of labels.
    coverage : float or None
        Share of the labels inside their intervals; None if there is no label.
    """

    n: int
    coverage: float | None


def thirds(label: Floats, prediction: Prediction) -> tuple[list[Third], list[Third]]:
    """Coverage in thirds of the predictions.

    Parameters
    ----------
    label : numpy.ndarray
        Labels, shape (architectures,); NaN is missing.
    prediction : Prediction
        Predictions of the same architectures.

    Returns
    -------
    by_rank, by_range : list of Third
        Thirds of equally many architectures, and of equally wide ranges.
    """
    labelled = np.isfinite(label)
    label, value, lower, upper = (array[labelled] for array in (label, *prediction))
    held = (lower <= label) & (label <= upper)
    by_rank = np.array_split(np.argsort(value, kind="stable"), 3)
    edges = np.linspace(value.min(), value.max(), 4)[1:3] if len(value) else np.zeros(2)
    part = np.digitize(value, edges)
    by_range = [np.flatnonzero(part == number) for number in range(3)]
    first, second = (
        [Third(len(rows), float(held[rows].mean()) if len(rows) else None) for rows in parts]
        for parts in (by_rank, by_range)
    )
    return first, second


def twins_ceiling(labels: Labels, column: str) -> float | None:
    """Kendall tau between labels of equivalent architectures that were trained independently.

    One more training of every architecture would score this tau. Equal labels of equivalent
    architectures count as copies of one measurement.

    Parameters
    ----------
    labels : Labels
        Labels of all architectures.
    column : str
        Column of the target.

    Returns
    -------
    float or None
        None if labels of different classes are equal more often than :data:`MOST_EQUAL`, so that
        copies cannot be told, or if fewer than :data:`LEAST_PAIRS` classes have two measurements.
    """
    known = labels.frame.select("id", "arch", column).drop_nulls().sort("arch")
    counts = known.unique("id", keep="first")[column].value_counts()["count"].to_numpy()
    if not len(known) or np.square(counts / counts.sum()).sum() > MOST_EQUAL + 1 / counts.sum():
        return None
    pairs = (
        known.group_by("id", maintain_order=True)
        .agg(pl.col(column).unique(maintain_order=True).head(2))
        .filter(pl.col(column).list.len() == 2)
    )
    if len(pairs) < LEAST_PAIRS:
        return None
    both = np.array(pairs[column].to_list())
    return tau(both[:, 0], both[:, 1])


def counterpart(target: str, targets: Sequence[str]) -> tuple[str, str] | None:
    """Find the clean and the robust target to show when a target is chosen.

    Adversarially trained networks and others are never mixed.

    Parameters
    ----------
    target : str
        The chosen target.
    targets : sequence of str
        All targets.

    Returns
    -------
    tuple of (str, str) or None
        Clean and robust target; None if one of them is missing.
    """
    prefix = ADVERSARIAL if target.startswith(ADVERSARIAL) else ""
    clean = prefix + CLEAN
    robust = [
        name
        for name in targets
        if name.startswith(ADVERSARIAL) == bool(prefix)
        and name != clean
        and Target.of(name).unit == PERCENT
    ]
    if clean not in targets or not robust:
        return None
    if target in robust:
        return clean, target
    return clean, next((name for name in ROBUST_FIRST if name in robust), robust[0])


def front(first: Floats, second: Floats) -> list[int]:
    """Rows that no other row dominates.

    Parameters
    ----------
    first, second : numpy.ndarray
        Two objectives, shape (rows,); more is better, and rows with NaN are left out.

    Returns
    -------
    list of int
        The largest ``first`` first; one of equal rows.
    """
    complete = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
    rows = complete[pareto_front(np.column_stack([first, second])[complete])]
    _, distinct = np.unique(first[rows], return_index=True)
    return rows[np.sort(distinct)].tolist()
