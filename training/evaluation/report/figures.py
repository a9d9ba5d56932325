"""The numbers behind a report's figures and tables."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from acorn.forests import Bundle, Prediction, bounded
from acorn.forests.manifest import IMPORTANCES
from acorn.learning.evaluation_metrics import tau
from acorn.learning.labels import Labels
from acorn.pareto import pareto_front
from acorn.targets import ADVERSARIAL, PERCENT, Target
from training.evaluation.evaluate import Evaluation

Floats = NDArray[np.float64]

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Levels at which a report counts how many labels the intervals hold."""

LEAST_PAIRS = 50
MOST_EQUAL = 0.01
"""Chance that two functions have the same label by coincidence, up to which copies can be told."""

CLEAN = "clean"
ROBUST_FIRST = ("pgd_linf_1.0", "adv.pgd_linf_8")
"""What clean accuracy is shown against, where the bundle has it."""


def coverage(evaluation: Evaluation, targets: Sequence[str], y: Floats) -> Floats:
    """Share of labels, of shape (n, targets), that intervals of each of LEVELS hold.

    Returns
    -------
    ndarray
        Shape (targets, levels), NaN where there is no label.
    """
    bundle = evaluation.bundle
    numbers = [bundle.targets.index(target) for target in targets]
    value, spread = bundle.ensemble.distribution(bounded(evaluation.X), numbers)
    there = np.isfinite(y).sum(axis=0)
    found = np.full((len(targets), len(LEVELS)), np.nan)
    for i, level in enumerate(LEVELS):
        half = bundle.intervals.half_width(value, spread, level, numbers)
        _, lower, upper = bundle.scale.columns(numbers).prediction(value, half)
        held = ((lower <= y) & (y <= upper)).sum(axis=0)
        np.divide(held, there, out=found[:, i], where=there > 0)
    return found


class Third(NamedTuple):
    """Number of labels whose prediction falls in a part of the predicted range, and coverage."""

    n: int
    coverage: float | None


def thirds(label: Floats, prediction: Prediction) -> tuple[list[Third], list[Third]]:
    """Coverage in thirds: of as many functions each, and of equally wide ranges."""
    there = np.isfinite(label)
    value, lower, upper = (bound[there] for bound in prediction)
    held = (lower <= label[there]) & (label[there] <= upper)
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
    """Kendall tau between two twins, that were trained apart: what one more training would score.

    Equal labels of twins are taken for copies of one measurement. None where labels of different
    functions are equal more often than MOST_EQUAL, so that copies cannot be told, and where fewer
    than LEAST_PAIRS functions have twins.
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
    """Clean and robust target to show against each other when ``target`` is chosen.

    Networks trained in the standard way and adversarially trained ones are never mixed.
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
    return clean, next((t for t in ROBUST_FIRST if t in robust), robust[0])


def front(first: Floats, second: Floats) -> list[int]:
    """Rows that no other beats in both, from the largest ``first`` on.

    One of equal rows; rows with NaN are none.
    """
    there = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
    rows = there[pareto_front(np.column_stack([first, second])[there])]
    _, distinct = np.unique(first[rows], return_index=True)
    return rows[np.sort(distinct)].tolist()


@dataclass(frozen=True)
class Cluster:
    """Importance of features that are collinear, in the order of the bundle's file."""

    feature: str
    others: list[str]
    importance: float
    std: float


def read_clusters(bundle: Bundle, folder: Path) -> dict[str, list[Cluster]]:
    """Importances with the whole clusters, of a bundle that was loaded from ``folder``."""
    rows = json.loads((folder / IMPORTANCES).read_bytes())
    return {
        target: [
            Cluster(row["feature"], row.get("with", []), row["importance"], row["std"])
            for row in rows[target]
        ]
        for target in bundle.targets
    }
