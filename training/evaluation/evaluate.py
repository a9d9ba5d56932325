"""How a bundle does on labelled rows that it never saw."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acorn.errors import InputError, MismatchError, UnknownTargetError
from acorn.features.feature_table import FeatureTable, check_settings
from acorn.forests import Bundle, Prediction
from acorn.learning.evaluation_metrics import score
from acorn.learning.labels import Labels
from acorn.spaces import UNIVERSAL

LEVEL = 0.9
"""Level at which coverage and width of intervals are reported."""


@dataclass(frozen=True)
class Evaluation:
    """A bundle, held against labels.

    Attributes
    ----------
    bundle, labels
        What was scored, and on what, before any row was left out.
    functions
        The labels that count, one row a function.
    columns
        Column of each target among the labels.
    X
        Features of the functions, shape (functions, features).
    predictions
        Of each target, for the functions.
    result
        What :func:`evaluate` gives.
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
) -> dict[str, Any]:
    """Score a bundle on labels.

    Parameters
    ----------
    bundle
        What to score.
    labels
        Of the bundle's space and dataset.
    features
        Features of functions that are not in the bundle's own table, of the same settings.
    include_seen
        Also score rows of functions that the bundle was trained on; the result says so.

    Returns
    -------
    dict
        ``forest`` says what was scored and how many rows were left out; ``targets`` holds, for
        each target, the ``Scores`` of ``all`` rows and of one row a
        function (``by_function``: the mean label of its twins).

    Raises
    ------
    InputError
        If no row is left to score.
    MismatchError
        If the labels, or the features, are not of the bundle's space, dataset and settings.
    """
    return examine(bundle, labels, features=features, include_seen=include_seen).result


def examine(
    bundle: Bundle,
    labels: Labels,
    *,
    features: FeatureTable | None = None,
    include_seen: bool = False,
) -> Evaluation:
    """Score a bundle as :func:`evaluate` does, and keep what the scores are of."""
    _check_match(bundle, labels)
    table = bundle.table
    if features is not None:
        check_settings(table.settings, features.settings)
        table = features.joined(table)
    columns = _columns(bundle, labels)
    if not columns:
        got = ", ".join(labels.targets)
        raise InputError(f"got labels of {got}; expected some of {', '.join(bundle.targets)}")

    functions = sorted(set(labels.ids))
    seen = set(bundle.training_set.among(functions))
    wanted = set(functions) if include_seen else set(functions) - seen
    scored = labels.only({id_ for id_ in wanted if id_ in table})
    if not len(scored.frame):
        why = "the bundle saw all of them in training" if not wanted else "none has features"
        raise InputError(f"got {len(functions)} labelled functions; {why}")

    by_function = scored.by_function()
    X = table.matrix(bundle.feature_names, by_function.ids)
    once = bundle.predict(X, targets=list(columns), interval=LEVEL)
    place = {id_: row for row, id_ in enumerate(by_function.ids)}
    rows = np.array([place[id_] for id_ in scored.ids])
    left_out = [id_ not in wanted for id_ in labels.ids]
    result = {
        "forest": {
            "name": bundle.name,
            "version": bundle.version,
            "space": bundle.space,
            "dataset": bundle.dataset,
            "rows": len(scored.frame),
            "functions": len(by_function.frame),
            "rows_seen_in_training": sum(id_ in seen for id_ in labels.ids),
            "seen_rows_included": include_seen,
            "rows_without_features": len(labels.frame) - len(scored.frame) - sum(left_out),
        },
        "targets": {
            target: {
                "all": _score(scored, column, once[target], rows),
                "by_function": _score(by_function, column, once[target]),
            }
            for target, column in columns.items()
        },
    }
    return Evaluation(bundle, labels, by_function, columns, X, once, result)


def _check_match(bundle: Bundle, labels: Labels) -> None:
    if labels.dataset != bundle.dataset:
        raise MismatchError(f"got labels of {labels.dataset}; expected {bundle.dataset}")
    if bundle.space not in (labels.space, UNIVERSAL):
        raise MismatchError(f"got labels of {labels.space}; expected {bundle.space}")


def _columns(bundle: Bundle, labels: Labels) -> dict[str, str]:
    """Column of each target that has one, whatever the spelling of its budget."""
    found = {}
    for column in labels.targets:
        try:
            found[bundle.target(column)] = column
        except UnknownTargetError:
            continue
    return {target: found[target] for target in bundle.targets if target in found}


def _score(
    labels: Labels, column: str, prediction: Prediction, rows: np.ndarray | None = None
) -> dict[str, float | int | None]:
    label = labels.matrix([column])[:, 0]
    where = slice(None) if rows is None else rows
    return score(label, *(bound[where] for bound in prediction)).to_dict()
