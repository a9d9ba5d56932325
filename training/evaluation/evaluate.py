"""Scores a bundle on labelled rows that it was not trained on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from acorn.errors import InputError, MismatchError
from acorn.features.feature_table import FeatureTable, check_settings
from acorn.forests import Bundle, Prediction
from acorn.learning.evaluation_metrics import score
from acorn.learning.labels import Labels
from acorn.spaces import UNIVERSAL
from acorn.targets import Target, match_targets

LEVEL = 0.9
"""Level of the intervals whose coverage and width are reported."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of a bundle, and what they were computed from.

    Attributes
    ----------
    bundle : Bundle
        The bundle that was scored.
    labels : Labels
        All labels, before any row was left out.
    functions : Labels
        The labels that count, one row for each canonical architecture.
    columns : dict
        Column of each target in the labels.
    X : numpy.ndarray
        Features of the canonical architectures, shape (architectures, features).
    predictions : dict
        Prediction of each target for the canonical architectures.
    result : dict
        ``forest`` says what was scored and how many rows were left out; ``targets`` holds, for
        each target, the scores of ``all`` rows and of one row for each canonical architecture
        (``by_function``: the mean label of equivalent architectures).
    """

    bundle: Bundle
    labels: Labels
    functions: Labels
    columns: dict[str, str]
    X: NDArray[np.float32]
    predictions: dict[str, Prediction]
    result: dict[str, Any]


def evaluate(
    bundle: Bundle,
    labels: Labels,
    *,
    features: FeatureTable | None = None,
    include_seen: bool = False,
) -> Evaluation:
    """Score a bundle on labels; those for a bundle of ranks become percentiles among themselves.

    Parameters
    ----------
    bundle : Bundle
        The bundle to score.
    labels : Labels
        Labels of the space and dataset of the bundle; their conditions are those of the bundle,
        or its defaults.
    features : FeatureTable, optional
        Features of architectures that the table of the bundle lacks, under the same settings.
    include_seen : bool, default=False
        Whether to score also architectures that the bundle was trained on; the result says so.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If no row is left to score.
    MismatchError
        If the labels or the features are of another space, dataset or other settings.
    """
    if labels.dataset != bundle.dataset:
        raise MismatchError(f"got labels of {labels.dataset}; expected {bundle.dataset}")
    if bundle.space not in (labels.space, UNIVERSAL):
        raise MismatchError(f"got labels of {labels.space}; expected {bundle.space}")
    table = bundle.table
    if features is not None:
        check_settings(table.settings, features.settings)
        table = features.joined(table)
    columns = match_targets(labels.targets, bundle.targets)
    if not columns:
        got = ", ".join(labels.targets)
        raise InputError(f"got labels of {got}; expected some of {', '.join(bundle.targets)}")

    ids = set(labels.ids)
    seen = set(bundle.training_set.among(sorted(ids)))
    wanted = ids if include_seen else ids - seen
    is_scored = [
        id_ in wanted and key in table
        for id_, key in zip(labels.ids, _row_ids(bundle, labels), strict=True)
    ]
    scored = replace(labels, frame=labels.frame.filter(is_scored))
    if not len(scored.frame):
        why = "the bundle saw all of them in training" if not wanted else "none has features"
        raise InputError(f"got {len(ids)} labelled architectures; {why}")

    functions = scored.by_function()
    if bundle.manifest.ranks:
        scored, functions = (_percentiles(part, columns.values()) for part in (scored, functions))
    conditions = [bundle.resolve(values) for values in functions.condition_values]
    X = bundle.table_matrix(_row_ids(bundle, functions), conditions, table=table)
    predictions = bundle.predict(X, targets=list(columns), interval=LEVEL)
    row_of = {key: row for row, key in enumerate(_keys(functions))}
    rows = np.array([row_of[key] for key in _keys(scored)])

    def scores(part: Labels, target: str, rows: Any) -> dict[str, float | int | None]:
        label = part.matrix([columns[target]])[:, 0]
        bounds = (bound[rows] for bound in predictions[target])
        return score(label, *bounds, relative=Target.of(target).scale == "log").to_dict()

    result = {
        "forest": {
            "name": bundle.name,
            "version": bundle.version,
            "space": bundle.space,
            "dataset": bundle.dataset,
            "rows": len(scored.frame),
            "functions": len(functions.frame),
            "rows_seen_in_training": sum(id_ in seen for id_ in labels.ids),
            "seen_rows_included": include_seen,
            "rows_without_features": sum(id_ in wanted for id_ in labels.ids) - len(scored.frame),
        },
        "targets": {
            target: {
                "all": scores(scored, target, rows),
                "by_function": scores(functions, target, slice(None)),
            }
            for target in columns
        },
    }
    return Evaluation(bundle, labels, functions, columns, X, predictions, result)


def _percentiles(labels: Labels, names: Iterable[str]) -> Labels:
    """Replace labels by their percentiles; NaN stays."""
    columns = pl.col(list(names))
    return replace(
        labels,
        frame=labels.frame.with_columns((columns.rank() - 0.5) / columns.count() * 100),
    )


def _row_ids(bundle: Bundle, labels: Labels) -> list[str]:
    """Key of the features of each row."""
    return [
        bundle.row_id(id_, bundle.resolve(values))
        for id_, values in zip(labels.ids, labels.condition_values, strict=True)
    ]


def _keys(labels: Labels) -> list[tuple[object, ...]]:
    """Architecture and conditions of each row."""
    values = labels.condition_values
    return [(id_, *row.values()) for id_, row in zip(labels.ids, values, strict=True)]
