"""From features to the answer: what the forest says of them, in the form of the response."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acorn.datasets import Dataset, get_dataset
from acorn.errors import MismatchError
from acorn.features.table import FeatureRow
from acorn.forests import Attribution
from acorn.schemas.prediction import (
    Contribution,
    FeatureSource,
    ForestName,
    Importance,
    NetworkCost,
    Prediction,
    PredictRequest,
    PredictResponse,
    Seconds,
    TargetPrediction,
)
from acorn.spaces import Architecture
from service.prediction.isolated_process import cost
from service.prediction.precomputed import Judged
from service.repository.served_bundle import ServedBundle

MOST_IMPORTANCES = 20
SHAP_SECONDS = 10.0
"""Longest computation of one answer's SHAP values; then it is refused, for it asks for too many."""


@dataclass(frozen=True, slots=True)
class Known:
    """The features of one function, and how they came to be known."""

    row: FeatureRow
    source: FeatureSource
    queue_seconds: float = 0.0
    seconds: float = 0.0


def answer(
    request: PredictRequest,
    architectures: Sequence[Architecture],
    forest: ServedBundle,
    targets: Sequence[str],
    known: Mapping[str, Known],
) -> PredictResponse:
    """Predict, once for each function, and put the answers in the order of the request.

    Parameters
    ----------
    request
        Level of the intervals, and what is to be explained.
    architectures
        In the order of the request; several may be one function.
    forest
        What predicts.
    targets
        What is predicted.
    known
        Features of every architecture, by its id.

    Raises
    ------
    TimeBudgetError
        If SHAP values of so many architectures and targets take too long.
    """
    distinct = {each.id: each for each in architectures}
    start = time.perf_counter()
    bundle, names = forest.bundle, forest.recipe.names
    judged = forest.precomputed.find([*distinct], targets, request.interval)
    explained: dict[str, Attribution] | None = None
    if judged is None or request.explain != "none":
        X = feature_matrix([known[id_].row for id_ in distinct], names)
        judged = judged or Judged(
            bundle.predict(X, targets=targets, interval=request.interval),
            *bundle.outliers(X, [*distinct]),
        )
        if request.explain != "none":
            explained = bundle.attributions(
                X, targets=targets, method=request.explain, seconds=SHAP_SECONDS
            )
    predicted, in_domain, score = judged
    shown = dict.fromkeys(names if request.features else ())
    seconds = (time.perf_counter() - start) / len(distinct)
    dataset = get_dataset(bundle.dataset)
    by_function = {
        id_: Prediction.model_construct(  # not validated: it is all our own, and much
            id=id_,
            space=each.space,
            arch=each.canonical,
            submitted=submitted_cost(each, dataset),
            targets={
                target: TargetPrediction(
                    value=predicted[target].value[i],
                    lower=predicted[target].lower[i],
                    upper=predicted[target].upper[i],
                )
                for target in targets
            },
            in_domain=bool(in_domain[i]),
            domain_score=float(score[i]),
            features={name: known[id_].row.values[name] for name in shown},
            reasons={
                name: reason for name, reason in known[id_].row.reasons.items() if name in shown
            },
            feature_source=known[id_].source,
            attributions=None
            if explained is None
            else {
                target: contributions(names, each.contributions[i])
                for target, each in explained.items()
            },
            baseline=None
            if explained is None
            else {target: each.baseline for target, each in explained.items()},
            seconds=Seconds(
                queue=known[id_].queue_seconds, features=known[id_].seconds, forest=seconds
            ),
        )
        for i, (id_, each) in enumerate(distinct.items())
    }
    predictions = []
    for each in architectures:
        prediction = by_function[each.id]
        if each.arch != distinct[each.id].arch:  # a twin: the same but for its own cost
            prediction = prediction.model_copy(update={"submitted": submitted_cost(each, dataset)})
        predictions.append(prediction)
    return PredictResponse(
        forest=ForestName(name=forest.name, version=bundle.version),
        predictions=predictions,
        importances=importances_of(forest, targets),
    )


def importances_of(forest: ServedBundle, targets: Sequence[str]) -> dict[str, list[Importance]]:
    """The largest importances of each target."""
    return forest.importances(targets, most=MOST_IMPORTANCES)


def submitted_cost(architecture: Architecture, dataset: Dataset) -> NetworkCost:
    """Published size of the very network that was submitted."""
    found = cost(architecture.space, architecture.arch, dataset)
    return NetworkCost(params=found.params, flops=found.flops)


def contributions(names: Sequence[str], values: NDArray[np.float64]) -> list[Contribution]:
    """Name the contributions of one prediction, largest first; zeros say nothing."""
    order = np.argsort(-np.abs(values), kind="stable")[: np.count_nonzero(values)]
    named = zip(map(names.__getitem__, order.tolist()), values[order].tolist(), strict=True)
    return [{"feature": name, "contribution": value} for name, value in named]


def feature_matrix(rows: Sequence[FeatureRow], names: Sequence[str]) -> NDArray[np.float32]:
    """Arrange features for a forest.

    Returns a float32 array of shape (rows, names), with NaN for null; what is too large for
    float32 becomes its largest number, which every threshold sees on the same side. Raises
    :class:`~acorn.errors.MismatchError` for a row that lacks a name altogether.
    """
    try:
        values = [[row.values[name] for name in names] for row in rows]
    except KeyError as error:
        raise MismatchError(f"got features without {error}, which the forest reads") from None
    wide = np.array(values, dtype=np.float64)  # None becomes NaN
    limit = np.finfo(np.float32).max
    return wide.clip(-limit, limit).astype(np.float32)
