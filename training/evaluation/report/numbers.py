"""All that a report says, before it is drawn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acorn.errors import UnknownTargetError
from acorn.learning.splits import uniform
from acorn.targets import find_target
from training.evaluation.evaluate import Evaluation
from training.evaluation.report import figures
from training.evaluation.report.correlation import correlation_map
from training.evaluation.report.impurity import impurity_importances
from training.evaluation.report.report_inputs import Curves, Ours, read_published

Floats = NDArray[np.float64]
Rows = list[dict[str, Any]]

MOST_POINTS = 1_000
"""Functions drawn in a scatter plot; all are in the scores."""

MOST_CLUSTERS = 15
MOST_CORRELATED = 40
CLOSE = 0.1
"""Share of the lowest labels that the close view of a scatter plot leaves out."""


@dataclass(frozen=True)
class Numbers:
    """What a report shows of an evaluation.

    Attributes
    ----------
    evaluation
        What it is of.
    targets
        All that were scored; elsewhere they go by their numbers.
    rows
        Of the tables, one a target.
    datasets
        Of the charts, by name.
    floors
        Labels of each target below which the close view shows nothing.
    pairs
        Numbers of the clean and the robust target to show with each one; empty if there are none.
    correlated
        Features of the correlation map, in order.
    compared
        Published scores, each with ours and the split that it is of.
    """

    evaluation: Evaluation
    targets: list[str]
    rows: Rows
    datasets: dict[str, Rows]
    floors: list[float]
    pairs: list[tuple[int, int]]
    correlated: list[str]
    compared: Rows

    @classmethod
    def of(
        cls, evaluation: Evaluation, folder: Path, curves: Curves, protocols: Sequence[Ours]
    ) -> "Numbers":
        """Collect them; parameters are those of :func:`~.page.write_report`."""
        targets = [*evaluation.columns]
        y = evaluation.functions.matrix([*evaluation.columns.values()])
        share = impurity_importances(evaluation.bundle, targets)
        correlated, rho = _correlations(evaluation, share)
        pairs = _pairs(targets)
        rows = [
            _target_row(evaluation, target, label)
            for target, label in zip(targets, y.T, strict=True)
        ]
        datasets = {
            "functions": _functions(evaluation, targets, y),
            "taus": _taus(rows),
            "coverage": _coverage(evaluation, targets, y),
            "curves": _curves(curves, targets),
            "importances": _importances(evaluation, folder, targets, share),
            "correlations": [
                {"a": a, "b": b, "rho": _rounded(rho[i, j])}
                for i, a in enumerate(correlated)
                for j, b in enumerate(correlated)
            ],
            "fronts": _fronts(evaluation, targets, y, pairs),
        }
        compared = _compared(evaluation, protocols)
        return cls(evaluation, targets, rows, datasets, _floors(y), pairs, correlated, compared)


def _target_row(evaluation: Evaluation, target: str, label: Floats) -> dict[str, Any]:
    by_rank, by_range = figures.thirds(label, evaluation.predictions[target])
    return {
        "target": target,
        "scores": evaluation.result["targets"][target],
        "cross_validation": evaluation.bundle.manifest.scores.get(target, {}),
        "ceiling": figures.twins_ceiling(evaluation.labels, evaluation.columns[target]),
        "by_rank": by_rank,
        "by_range": by_range,
    }


def _floors(y: Floats) -> list[float]:
    known = [label[np.isfinite(label)] for label in y.T]
    return [float(np.quantile(label, CLOSE)) if len(label) else 0.0 for label in known]


def _functions(evaluation: Evaluation, targets: Sequence[str], y: Floats) -> Rows:
    """Labels and predictions of some functions, drawn by the hash of their ids."""
    archs, ids = evaluation.functions.frame["arch"].to_list(), evaluation.functions.ids
    chosen = sorted(range(len(ids)), key=lambda row: uniform(ids[row], seed=0))[:MOST_POINTS]
    value, lower, upper = (
        np.stack([evaluation.predictions[target][bound] for target in targets], axis=1)
        for bound in range(3)
    )
    return [
        {
            "arch": archs[row],
            "y": [_rounded(each) for each in y[row]],
            "v": [_rounded(each) for each in value[row]],
            "lo": [_rounded(each) for each in lower[row]],
            "hi": [_rounded(each) for each in upper[row]],
        }
        for row in sorted(chosen)
    ]


def _taus(rows: Rows) -> Rows:
    return [
        {"name": row["target"], "kind": kind, "tau": tau}
        for row in rows
        for kind, tau in (
            ("this evaluation", row["scores"]["by_function"]["kendall_tau"]),
            ("cross-validation", row["cross_validation"].get("kendall_tau")),
            ("one more training (twins)", row["ceiling"]),
        )
        if tau is not None
    ]


def _coverage(evaluation: Evaluation, targets: Sequence[str], y: Floats) -> Rows:
    return [
        {"target": i, "name": targets[i], "level": level, "coverage": _rounded(share)}
        for i, row in enumerate(figures.coverage(evaluation, targets, y))
        for level, share in zip(figures.LEVELS, row, strict=True)
        if np.isfinite(share)
    ]


def _curves(curves: Curves, targets: Sequence[str]) -> Rows:
    rows = []
    for name, points in curves.items():
        try:
            number = targets.index(find_target(name, targets))
        except UnknownTargetError:
            continue  # of a target that has no labels here
        rows += [
            {
                "target": number,
                "labels": point.labels,
                "features": point.features,
                "mean": _rounded(float(np.mean(point.tau))),
                "low": min(point.tau),
                "high": max(point.tau),
                "draws": len(point.tau),
            }
            for point in points
        ]
    return rows


def _importances(
    evaluation: Evaluation, folder: Path, targets: Sequence[str], share: Floats
) -> Rows:
    """The largest clusters of each target, with the impurity of all their features."""
    place = {name: row for row, name in enumerate(evaluation.bundle.feature_names)}
    clusters = figures.read_clusters(evaluation.bundle, folder)
    rows = []
    for i, target in enumerate(targets):
        for rank, each in enumerate(clusters[target][:MOST_CLUSTERS]):
            features = [name for name in (each.feature, *each.others) if name in place]
            rows.append(
                {
                    "target": i,
                    "rank": rank,
                    "feature": each.feature,
                    "others": _some(each.others),
                    "importance": each.importance,
                    "std": each.std,
                    "low": each.importance - each.std,
                    "high": each.importance + each.std,
                    "impurity": _rounded(share[[place[name] for name in features], i].sum()),
                }
            )
    return rows


def _some(names: Sequence[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "") or "none"


def _correlations(evaluation: Evaluation, share: Floats) -> tuple[list[str], Floats]:
    """Correlations, among all functions of the bundle's table, of what the trees test most."""
    bundle = evaluation.bundle
    mean = share.mean(axis=1)
    most = [int(i) for i in np.argsort(-mean, kind="stable")[:MOST_CORRELATED] if mean[i] > 0]
    X = bundle.table.matrix(bundle.feature_names)
    columns, rho = correlation_map(X, most) if len(X) else ([], np.empty((0, 0)))
    return [bundle.feature_names[column] for column in columns], rho


def _pairs(targets: Sequence[str]) -> list[tuple[int, int]]:
    """Clean and robust target for each one; where it has none, another's; empty if none has."""
    names = [figures.counterpart(target, targets) for target in targets]
    found = [pair and (targets.index(pair[0]), targets.index(pair[1])) for pair in names]
    first = next((pair for pair in found if pair), None)
    return [pair or first for pair in found] if first else []


def _fronts(
    evaluation: Evaluation, targets: Sequence[str], y: Floats, pairs: Sequence[tuple[int, int]]
) -> Rows:
    """Measured accuracies of the functions on the measured front, and on the predicted one."""
    archs = evaluation.functions.frame["arch"].to_list()
    value = np.stack([evaluation.predictions[target].value for target in targets], axis=1)
    value = np.where(np.isfinite(y), value, np.nan)
    return [
        {
            "target": i,
            "kind": kind,
            "arch": archs[row],
            "clean": _rounded(y[row, clean]),
            "robust": _rounded(y[row, robust]),
        }
        for i, (clean, robust) in enumerate(pairs)
        for kind, by in (("measured front", y), ("chosen by the forest", value))
        for row in figures.front(by[:, clean], by[:, robust])
    ]


def _compared(evaluation: Evaluation, protocols: Sequence[Ours]) -> Rows:
    """Published scores of the bundle's space and dataset, with ours under the same protocol."""
    forest, targets = evaluation.result["forest"], evaluation.result["targets"]
    found = []
    for row in read_published():
        ours = [
            {"split": mine.split, "value": mine.value, "std": mine.std}
            for mine in protocols
            if mine.setting == row.setting
        ]
        is_here = row.space == forest["space"] and row.dataset == forest["dataset"]
        if is_here and (row.value is not None or ours):
            scores: Mapping[str, Any] = targets.get(row.target, {}).get("by_function", {})
            here = scores.get(row.measure)
            ours.append({"split": "this evaluation, by function", "value": here, "std": None})
            found.append({"row": row, "ours": ours})
    return found


def _rounded(value: float) -> float | None:
    """Four decimals, which is a hundredth of what labels resolve; None for NaN."""
    return None if not math.isfinite(value) else round(float(value), 4)
