"""From features to predictions, in the form of the response."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from acorn.features.descriptions import group_contributions
from acorn.forests import Attribution, Bundle
from acorn.schemas.prediction import (
    Contribution,
    NearestArchitecture,
    NetworkCost,
    Prediction,
    PredictRequest,
    PredictResponse,
    ProxyProvenance,
    Seconds,
    TargetPrediction,
)
from acorn.spaces import get_space
from service.prediction.cases import Case
from service.prediction.feature_path import ArchFeatures
from service.prediction.isolated_process import cost
from service.prediction.proxies import values_of
from service.prediction.responses.precomputed import RowPredictions
from service.prediction.responses.related import (
    best_changes,
    nearest_architectures,
    proxy_percentiles,
)
from service.repository.served_bundle import ServedBundle

MOST_IMPORTANCES = 20
SHAP_SECONDS = 10.0
"""Time limit for the SHAP values of one response."""


def answer(
    request: PredictRequest,
    architectures: Sequence[Case],
    forest: ServedBundle,
    targets: Sequence[str],
    features_by_key: Mapping[str, ArchFeatures],
    provenance: ProxyProvenance | None = None,
    *,
    related: bool = False,
) -> PredictResponse:
    """Predict once for equivalent architectures under equal conditions, in the order of a request.

    Parameters
    ----------
    request : PredictRequest
        Says the level of the intervals, and what to explain.
    architectures : sequence of Case
        In the order of the request; several may be equivalent.
    forest : ServedBundle
        The bundle that predicts.
    targets : sequence of str
        The targets to predict.
    features_by_key : mapping of str to ArchFeatures
        Features of every architecture, by key of the case.
    provenance : ProxyProvenance, default=None
        What the proxies of the request were computed with.
    related : bool, default=False
        Whether explanations also have what other architectures say.

    Returns
    -------
    PredictResponse

    Raises
    ------
    TimeBudgetError
        If the SHAP values take longer than :data:`SHAP_SECONDS`.
    """
    distinct = {case.key: case for case in architectures}
    start = time.perf_counter()
    bundle, names = forest.bundle, forest.bundle.feature_names
    predictions = forest.precomputed.find([*distinct], targets, request.interval)
    attributions: dict[str, Attribution] = {}
    nearest: list[list[NearestArchitecture]] = []
    if predictions is None or request.explain != "none":
        X = bundle.matrix(
            [features_by_key[key].row for key in distinct],
            [case.conditions for case in distinct.values()],
        )
        predictions = predictions or RowPredictions(
            bundle.predict(X, targets=targets, interval=request.interval),
            *bundle.outliers(X, [case.id for case in distinct.values()]),
        )
        if request.explain != "none":
            attributions = bundle.attributions(
                X, targets=targets, method=request.explain, seconds=SHAP_SECONDS
            )
            if related:
                cases = [*distinct.values()]
                nearest = nearest_architectures(forest, X, cases, targets, request.interval)
    by_target, in_domain, score = predictions
    shown = dict.fromkeys(names if request.features else ())
    seconds = (time.perf_counter() - start) / len(distinct)
    by_key = {}
    for i, (key, case) in enumerate(distinct.items()):
        features = features_by_key[key]
        values = {**features.row.values, **bundle.encode(case.conditions)}
        proxies = values_of(features.proxies, request.proxies or ()) if features.proxies else None
        by_key[key] = Prediction.model_construct(  # large, and made here: needs no validation
            id=case.id,
            space=case.space,
            arch=case.canonical,
            conditions=dict(case.conditions),
            submitted=submitted_cost(case, bundle),
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
            features={name: values[name] for name in shown},
            reasons={name: reason for name, reason in features.row.reasons.items() if name in shown}
            | (proxies["reasons"] if proxies else {}),
            feature_source=features.source,
            attributions={
                target: contributions(names, attribution.contributions[i])
                for target, attribution in attributions.items()
            }
            or None,
            attribution_groups={
                target: [
                    {"group": group, "contribution": value}
                    for group, value in group_contributions(names, attribution.contributions[i])
                ]
                for target, attribution in attributions.items()
            }
            or None,
            baseline={target: attribution.baseline for target, attribution in attributions.items()}
            or None,
            nearest=nearest[i] if nearest else None,
            changes=best_changes(
                forest,
                case,
                {target: float(by_target[target].value[i]) for target in targets},
                request.interval,
            )
            if nearest
            else None,
            proxy_percentiles=proxy_percentiles(forest, case) if nearest else None,
            proxies=proxies and proxies["proxies"],
            errors=proxies and proxies["errors"],
            seconds=Seconds(
                queue=features.queue_seconds, features=features.seconds, forest=seconds
            ),
        )
    answers = []
    for case in architectures:
        prediction = by_key[case.key]
        if case.arch != distinct[case.key].arch:  # equivalent, but with another cost
            prediction = prediction.model_copy(update={"submitted": submitted_cost(case, bundle)})
        answers.append(prediction)
    return PredictResponse(
        forest=forest.answer_name,
        target_details=forest.target_details(targets),
        predictions=answers,
        importances=forest.importances(targets, most=MOST_IMPORTANCES),
        feature_details=forest.feature_details if attributions else None,
        settings=provenance,
    )


def submitted_cost(case: Case, bundle: Bundle) -> NetworkCost:
    """Count parameters and FLOPs of the network as submitted, not of its canonical form.

    For a space that needs a package, they come from the structure features of a table that has
    them, so that the package need not be installed.
    """
    row = bundle.table.row(case.row_id) if get_space(case.space).needs_package else None
    counted = (row and row.cost) or cost(case.space, case.arch, case.dataset(bundle))
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
