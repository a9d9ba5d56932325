"""Explanations by other architectures, in the form of the response."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from acorn import explanations
from acorn.forests import Prediction
from acorn.schemas.prediction import (
    ChangePrediction,
    Changes,
    NearestArchitecture,
    ProxyPercentile,
    TargetPrediction,
)
from service.prediction.cases import Case
from service.repository.served_bundle import ServedBundle


def nearest_architectures(
    forest: ServedBundle,
    X: NDArray[np.float32],
    cases: Sequence[Case],
    targets: Sequence[str],
    interval: float,
) -> list[list[NearestArchitecture]]:
    """Find the architectures of the training data that are nearest to each case.

    Parameters
    ----------
    forest : ServedBundle
        The bundle that predicts.
    X : ndarray of float32 of shape (n, features)
        Features of the cases.
    cases : sequence of Case
        The n cases.
    targets : sequence of str
        The targets to predict.
    interval : float
        Level of the intervals.

    Returns
    -------
    list of list of NearestArchitecture
        For each case, the nearest first.
    """
    found = forest.neighbourhood.nearest(
        X,
        [case.id for case in cases],
        [case.conditions for case in cases],
        targets=targets,
        interval=interval,
    )
    return [[_nearest(architecture) for architecture in of_case] for of_case in found]


def best_changes(
    forest: ServedBundle, case: Case, current: Mapping[str, float], interval: float
) -> Changes:
    """Find the single edits of a case that improve its predictions most.

    Parameters
    ----------
    forest : ServedBundle
        The bundle that predicts.
    case : Case
        The architecture under its conditions.
    current : mapping of str to float
        What the bundle predicts for the case, by target.
    interval : float
        Level of the intervals.

    Returns
    -------
    Changes
    """
    changes = explanations.best_changes(
        forest.bundle, case.id, current, case.conditions, interval=interval
    )
    return Changes(
        best={
            target: best
            and ChangePrediction(
                change=best.change,
                id=best.id,
                arch=best.arch,
                **target_prediction(best.prediction).model_dump(),
            )
            for target, best in changes.best.items()
        },
        neighbours=changes.neighbours,
        compared=changes.compared,
        reason=changes.reason,
    )


def proxy_percentiles(forest: ServedBundle, case: Case) -> dict[str, ProxyPercentile]:
    """Compare the known proxies of a case with those of its space.

    Parameters
    ----------
    forest : ServedBundle
        The bundle whose table is compared.
    case : Case
        The architecture under its conditions.

    Returns
    -------
    dict of str to ProxyPercentile
        By name of the proxy.
    """
    compared = forest.proxy_percentiles.of(case.row_id)
    return {name: ProxyPercentile(**asdict(proxy)) for name, proxy in compared.items()}


def target_prediction(prediction: Prediction) -> TargetPrediction:
    """Convert the prediction of one architecture."""
    value, lower, upper = map(float, prediction)
    return TargetPrediction(value=value, lower=lower, upper=upper)


def _nearest(architecture: explanations.NearestArchitecture) -> NearestArchitecture:
    space, _, arch = architecture.id.partition("/")
    return NearestArchitecture(
        id=architecture.id,
        space=space,
        arch=arch,
        conditions=dict(architecture.conditions),
        distance=architecture.distance,
        labelled=architecture.is_labelled,
        predicted={
            target: target_prediction(prediction)
            for target, prediction in architecture.predicted.items()
        },
    )
