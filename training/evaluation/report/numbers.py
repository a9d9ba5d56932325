"""All numbers of a report, before it is drawn."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acorn.forests.manifest import IMPORTANCES
from acorn.learning.splits import uniform
from acorn.targets import match_targets
from training.evaluation.evaluate import Evaluation
from training.evaluation.report import figures
from training.evaluation.report.correlation import correlation_map
from training.evaluation.report.impurity import impurity_importances
from training.evaluation.report.report_inputs import Curves, Ours, read_published

Floats = NDArray[np.float64]
Rows = list[dict[str, Any]]

MOST_POINTS = 1_000
"""Architectures drawn in a scatter plot; all are in the scores."""

MOST_CLUSTERS = 15
MOST_CORRELATED = 40
MOST_NAMED = 5
CLOSE = 0.1
"""Share of the lowest labels that the close view of a scatter plot leaves out."""


class Numbers:
    """What a report shows of an evaluation; targets are referred to by their numbers.

    Parameters
    ----------
    evaluation : Evaluation
        What is reported.
    folder : pathlib.Path
        Folder that the bundle was loaded from.
    curves : Mapping
        Points of the learning curve of each target.
    protocols : sequence of Ours
        Our scores under published protocols.

    Attributes
    ----------
    evaluation : Evaluation
        As given.
    targets : list of str
        All targets that were scored.
    described : list of Target
        Unit and scale of each; those of percentiles if the bundle predicts ranks.
    rows : list of dict
        Rows of the tables, one for each target.
    floors : list of float
        For each target, the label below which the close view shows nothing.
    pairs : list of (int, int)
        Clean and robust target to show with each target; empty if there are none.
    correlated : list of str
        Features of the correlation map, in order.
    compared : list of dict
        Published scores, each with ours.
    datasets : dict
        Rows of the charts, by name.
    """

    def __init__(
        self, evaluation: Evaluation, folder: Path, curves: Curves, protocols: Sequence[Ours]
    ) -> None:
        self.evaluation = evaluation
        self.targets = [*evaluation.columns]
        self.described = [*map(evaluation.bundle.describe, self.targets)]
        self._labels = evaluation.functions.matrix([*evaluation.columns.values()])
        self._archs = evaluation.functions.frame["arch"].to_list()
        self._value, self._lower, self._upper = (
            np.stack([evaluation.predictions[target][bound] for target in self.targets], axis=1)
            for bound in range(3)
        )
        known = [label[np.isfinite(label)] for label in self._labels.T]
        self.floors = [float(np.quantile(label, CLOSE)) if len(label) else 0.0 for label in known]
        self._impurities = impurity_importances(evaluation.bundle, self.targets)
        self.rows = [*map(self._row, self.targets, self._labels.T)]
        self.pairs = self._pairs()
        self.correlated, rho = self._correlations()
        self.compared = self._compared(protocols)
        self.datasets: dict[str, Rows] = {
            "functions": self._functions(),
            "taus": self._taus(),
            "coverage": self._coverage(),
            "curves": self._curves(curves),
            "importances": self._importances(folder),
            "correlations": [
                {"a": a, "b": b, "rho": value}
                for a, values in zip(self.correlated, _rounded(rho), strict=True)
                for b, value in zip(self.correlated, values, strict=True)
            ],
            "fronts": self._fronts(),
        }

    def _row(self, target: str, label: Floats) -> dict[str, Any]:
        evaluation = self.evaluation
        by_rank, by_range = figures.thirds(label, evaluation.predictions[target])
        return {
            "target": target,
            "scores": evaluation.result["targets"][target],
            "cross_validation": evaluation.bundle.manifest.scores.get(target, {}),
            "ceiling": figures.twins_ceiling(evaluation.labels, evaluation.columns[target]),
            "by_rank": by_rank,
            "by_range": by_range,
        }

    def _functions(self) -> Rows:
        """Labels and predictions of some architectures, drawn by the hash of their ids."""
        ids = self.evaluation.functions.ids
        by_hash = sorted(range(len(ids)), key=lambda row: uniform(ids[row], seed=0))
        drawn = sorted(by_hash[:MOST_POINTS])
        arrays = (self._labels, self._value, self._lower, self._upper)
        columns = [[self._archs[row] for row in drawn], *(_rounded(a[drawn]) for a in arrays)]
        names = ("arch", "y", "v", "lo", "hi")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _taus(self) -> Rows:
        return [
            {"name": row["target"], "kind": kind, "tau": tau}
            for row in self.rows
            for kind, tau in (
                ("this evaluation", row["scores"]["by_function"]["kendall_tau"]),
                ("cross-validation", row["cross_validation"].get("kendall_tau")),
                ("one more training (twins)", row["ceiling"]),
            )
            if tau is not None
        ]

    def _coverage(self) -> Rows:
        coverage = _rounded(figures.coverage(self.evaluation, self.targets, self._labels))
        return [
            {"target": number, "name": target, "level": level, "coverage": share}
            for number, (target, shares) in enumerate(zip(self.targets, coverage, strict=True))
            for level, share in zip(figures.LEVELS, shares, strict=True)
            if share is not None
        ]

    def _curves(self, curves: Curves) -> Rows:
        return [
            {
                "target": self.targets.index(target),
                "labels": point.labels,
                "features": point.features,
                "mean": _rounded(np.mean(point.tau)),
                "low": min(point.tau),
                "high": max(point.tau),
                "draws": len(point.tau),
            }
            for target, name in match_targets(curves, self.targets).items()
            for point in curves[name]
        ]

    def _importances(self, folder: Path) -> Rows:
        """The most important clusters of each target, with the impurity of all their features."""
        clusters = json.loads((folder / IMPORTANCES).read_bytes())
        names = self.evaluation.bundle.feature_names
        rows = []
        for number, target in enumerate(self.targets):
            impurity = dict(zip(names, self._impurities[:, number], strict=True))
            for rank, row in enumerate(clusters[target][:MOST_CLUSTERS]):
                others = row.get("with", [])
                shares = [impurity.get(name, 0.0) for name in (row["feature"], *others)]
                more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
                rows.append(
                    {
                        "target": number,
                        "rank": rank,
                        "feature": row["feature"],
                        "others": (", ".join(others[:MOST_NAMED]) + more) or "none",
                        "importance": row["importance"],
                        "std": row["std"],
                        "low": row["importance"] - row["std"],
                        "high": row["importance"] + row["std"],
                        "impurity": _rounded(np.sum(shares)),
                    }
                )
        return rows

    def _correlations(self) -> tuple[list[str], Floats]:
        """Correlations, in the whole table of the bundle, of the features that trees use most."""
        bundle = self.evaluation.bundle
        mean = self._impurities.mean(axis=1)
        most = [int(i) for i in np.argsort(-mean, kind="stable")[:MOST_CORRELATED] if mean[i] > 0]
        X = bundle.table_matrix()
        columns, rho = correlation_map(X, most) if len(X) else ([], np.empty((0, 0)))
        return [bundle.feature_names[column] for column in columns], rho

    def _pairs(self) -> list[tuple[int, int]]:
        """Clean and robust target for each one; those of another target if it has none."""
        names = [figures.counterpart(target, self.targets) for target in self.targets]
        pairs = [n and (self.targets.index(n[0]), self.targets.index(n[1])) for n in names]
        first = next(filter(None, pairs), None)
        return [pair or first for pair in pairs] if first else []

    def _fronts(self) -> Rows:
        """Measured accuracies of the architectures on the measured and on the predicted front."""
        y, measured = self._labels, _rounded(self._labels)
        value = np.where(np.isfinite(y), self._value, np.nan)
        return [
            {
                "target": number,
                "kind": kind,
                "arch": self._archs[row],
                "clean": measured[row][clean],
                "robust": measured[row][robust],
            }
            for number, (clean, robust) in enumerate(self.pairs)
            for kind, by in (("measured front", y), ("chosen by the forest", value))
            for row in figures.front(by[:, clean], by[:, robust])
        ]

    def _compared(self, protocols: Sequence[Ours]) -> Rows:
        """Published scores of this space and dataset, with ours under the same protocol."""
        forest, targets = self.evaluation.result["forest"], self.evaluation.result["targets"]
        compared = []
        for row in read_published():
            ours: Rows = [
                {"split": score.split, "value": score.value, "std": score.std}
                for score in protocols
                if score.setting == row.setting
            ]
            is_here = row.space == forest["space"] and row.dataset == forest["dataset"]
            if is_here and (row.value is not None or ours):
                scores: Mapping[str, Any] = targets.get(row.target, {}).get("by_function", {})
                here = scores.get(row.measure)
                ours.append({"split": "this evaluation, by function", "value": here, "std": None})
                compared.append({"row": row, "ours": ours})
        return compared


def _rounded(values: ArrayLike) -> Any:
    """Round to four decimals, a hundredth of what labels resolve; NaN becomes None."""
    rounded = np.array(np.round(np.asarray(values), 4), np.float64).astype(object)
    rounded[~np.isfinite(values)] = None
    return rounded.tolist()
