"""From features to predictions, in the form of the response."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acorn.datasets import Dataset, get_dataset
from acorn.features.feature_table import FeatureRow
from acorn.forests import Attribution
from acorn.schemas.prediction import (
    Contribution,
    FeatureSource,
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
from service.prediction.precomputed import RowPredictions
from service.repository.served_bundle import ServedBundle

MOST_IMPORTANCES = 20
SHAP_SECONDS = 10.0
"""Time limit for the SHAP values of one response."""


@dataclass(frozen=True, slots=True)
class ArchFeatures:
    """The features of one architecture, and where they come from.

    Attributes
    ----------
    row : FeatureRow
    source : {"table", "cache", "computed"}
    queue_seconds, seconds : float
        Time in the queue and in a worker; 0 unless computed.
    """

    row: FeatureRow
    source: FeatureSource
    queue_seconds: float = 0.0
    seconds: float = 0.0


def answer(
    request: PredictRequest,
    architectures: Sequence[Architecture],
    forest: ServedBundle,
    targets: Sequence[str],
    features_by_id: Mapping[str, ArchFeatures],
) -> PredictResponse:
    """Predict once for each equivalence class, and answer in the order of the request.

    Parameters
    ----------
    request : PredictRequest
        Says the level of the intervals, and what to explain.
    architectures : sequence of Architecture
        In the order of the request; several may be equivalent.
    forest : ServedBundle
        The bundle that predicts.
    targets : sequence of str
        The targets to predict.
    features_by_id : mapping of str to ArchFeatures
        Features of every architecture.

    Returns
    -------
    PredictResponse

    Raises
    ------
    TimeBudgetError
        If the SHAP values take longer than :data:`SHAP_SECONDS`.
    """
    distinct = {arch.id: arch for arch in architectures}
    start = time.perf_counter()
    bundle, names = forest.bundle, forest.recipe.names
    predictions = forest.precomputed.find([*distinct], targets, request.interval)
    attributions: dict[str, Attribution] = {}
    if predictions is None or request.explain != "none":
        X = bundle.matrix([features_by_id[id_].row for id_ in distinct])
        predictions = predictions or RowPredictions(
            bundle.predict(X, targets=targets, interval=request.interval),
            *bundle.outliers(X, [*distinct]),
        )
        if request.explain != "none":
            attributions = bundle.attributions(
                X, targets=targets, method=request.explain, seconds=SHAP_SECONDS
            )
    by_target, in_domain, score = predictions
    shown = dict.fromkeys(names if request.features else ())
    seconds = (time.perf_counter() - start) / len(distinct)
    dataset = get_dataset(bundle.dataset)
    by_id = {}
    for i, (id_, arch) in enumerate(distinct.items()):
        features = features_by_id[id_]
        by_id[id_] = Prediction.model_construct(  # large, and made here: needs no validation
            id=id_,
            space=arch.space,
            arch=arch.canonical,
            submitted=submitted_cost(arch, dataset),
            targets={
                target: TargetPrediction(
                    value=by_target[target].value[i],
                    lower=by_target[target].lower[i],
                    upper=by_target[target].upper[i],
                )
                for target in targets
            },
            in_domain=bool(in_domain[i]),
            domain_score=float(score[i]),
            features={name: features.row.values[name] for name in shown},
            reasons={
                name: reason for name, reason in features.row.reasons.items() if name in shown
            },
            feature_source=features.source,
            attributions={
                target: contributions(names, attribution.contributions[i])
                for target, attribution in attributions.items()
            }
            or None,
            baseline={target: attribution.baseline for target, attribution in attributions.items()}
            or None,
            seconds=Seconds(
                queue=features.queue_seconds, features=features.seconds, forest=seconds
            ),
        )
    answers = []
    for arch in architectures:
        prediction = by_id[arch.id]
        if arch.arch != distinct[arch.id].arch:  # equivalent, but with another cost
            prediction = prediction.model_copy(update={"submitted": submitted_cost(arch, dataset)})
        answers.append(prediction)
    return PredictResponse(
        forest=forest.answer_name,
        predictions=answers,
        importances=importances_of(forest, targets),
    )


def importances_of(forest: ServedBundle, targets: Sequence[str]) -> dict[str, list[Importance]]:
    """List the :data:`MOST_IMPORTANCES` largest importances of each target."""
    return forest.importances(targets, most=MOST_IMPORTANCES)


def submitted_cost(architecture: Architecture, dataset: Dataset) -> NetworkCost:
    """Count parameters and FLOPs of the network as submitted, not of its canonical form."""
    counted = cost(architecture.space, architecture.arch, dataset)
    return NetworkCost(params=counted.params, flops=counted.flops)


def contributions(names: Sequence[str], values: NDArray[np.float64]) -> list[Contribution]:
    """Name the contributions to one prediction, largest first, without zeros.

    Parameters
    ----------
    names : sequence of str
        Feature names.
    values : ndarray of shape (n_features,)
        Contributions, in the unit of the target.

    Returns
    -------
    list of Contribution
    """
    order = np.argsort(-np.abs(values), kind="stable")[: np.count_nonzero(values)]
    named = zip(map(names.__getitem__, order.tolist()), values[order].tolist(), strict=True)
    return [{"feature": name, "contribution": value} for name, value in named]
