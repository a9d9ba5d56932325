"""From labels and features to a released bundle."""

import json
import logging
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acorn import __version__
from acorn.errors import InputError, MismatchError
from acorn.features.table import FeatureTable
from acorn.forests import Bundle, Intervals, Manifest, OutlierDetector, TrainingSet, write_bundle
from acorn.forests import manifest as files
from acorn.forests.bundle import HIGHEST, LOWEST, bounded
from acorn.forests.manifest import ForestEntry
from acorn.learning.feature_sets import feature_sets
from acorn.learning.fitting import Configuration
from acorn.learning.importance import importances
from acorn.learning.labels import Labels
from acorn.learning.metrics import score
from acorn.learning.model_card import model_card
from acorn.learning.model_selection import FINAL_FOLDS, OutOfFold, Problem, Search
from acorn.learning.pools import Pool
from acorn.spaces import UNIVERSAL
from acorn.targets import find_target

logger = logging.getLogger(__name__)

LEAST_FUNCTIONS = 20
LEVEL = 0.9

LIBRARIES = ("numpy", "polars", "safetensors", "scikit-learn", "scipy", "torch")


def train_bundle(
    labels: Labels,
    features: FeatureTable,
    out: Path,
    *,
    targets: Sequence[str] | None = None,
    feature_set: str | None = None,
    configuration: Configuration | None = None,
    version: str = __version__,
    seed: int = 0,
    n_jobs: int = -1,
) -> Bundle:
    """Choose a configuration, grow the forests and write the bundle.

    One row a function: the mean label of its twins. Configuration, intervals, importances and the
    scores in the manifest come from cross-validation over functions; of a universal forest, from
    leaving out one space at a time.

    Parameters
    ----------
    labels
        Of one space and dataset.
    features
        Of the labelled functions; the table is released with the bundle, unlabelled rows included.
    out
        Directory of the bundle; its name is the bundle's. A bundle that is there is replaced.
    targets
        What to predict; all that the labels have when not given.
    feature_set
        Name of a set of :func:`~acorn.learning.feature_sets.feature_sets`; chosen by
        cross-validation when not given.
    configuration
        Where the search starts; its number of trees is final.
    version
        Version of the bundle.
    seed, n_jobs
        Of splits and forests; -1 uses every core.

    Raises
    ------
    UnknownTargetError
        For a target that the labels do not have.
    InputError
        If too few labelled functions have features.
    MismatchError
        If the features are of another dataset than the labels.
    """
    out = Path(out)
    problem = make_problem(labels, features, targets, feature_set, seed=seed, n_jobs=n_jobs)
    search = Search(problem)
    chosen, predicted = search.run(configuration or Configuration())
    logger.info("growing the forests of %d targets: %s", len(problem.targets), chosen)
    ensemble = problem.grow(chosen, np.ones(len(problem.ids), bool))

    # Only the columns in use are the bundle's, so that nothing else is computed to predict.
    used = list(problem.columns[chosen.features])
    residuals = problem.Y - predicted.value
    intervals = Intervals.fit(residuals, predicted.value, predicted.spread)
    ranking = _importances(problem, predicted, used, features.feature_names)
    entries = [
        ForestEntry(
            file=f"forest-{number}.safetensors",
            features=list(range(len(used))),
            targets=[problem.targets[target] for target in member.targets],
            trees=member.forest.n_trees,
        )
        for number, member in enumerate(ensemble.members)
    ]
    manifest = Manifest.model_construct(
        schema_version=files.SCHEMA_VERSION,
        name=out.name,
        version=version,
        space=labels.space,
        dataset=labels.dataset,
        created=datetime.now(UTC).replace(microsecond=0),
        files={},
        targets=list(problem.targets),
        features=[features.feature_names[column] for column in used],
        settings=asdict(features.settings),
        libraries=_libraries(),
        labels=list(labels.sources),
        functions=len(problem.ids),
        forests=entries,
        parameters=chosen.to_dict() | {"seed": seed},
        candidates=search.candidates,
        scores=_scores(problem, predicted),
    )
    contents = {
        **{
            entry.file: member.forest.to_bytes()
            for entry, member in zip(entries, ensemble.members, strict=True)
        },
        files.INTERVALS: intervals.to_bytes(),
        files.DOMAIN: OutlierDetector.fit(problem.X[:, used], seed=seed).to_bytes(),
        files.SEEN: TrainingSet.of(problem.ids).to_bytes(),
        files.IMPORTANCES: json.dumps(ranking, indent=1).encode(),
        files.FEATURES: _table_bytes(features),
        files.MODEL_CARD: model_card(manifest, ranking).encode(),
    }
    return write_bundle(out, contents, manifest)


def make_problem(
    labels: Labels,
    features: FeatureTable,
    targets: Sequence[str] | None = None,
    feature_set: str | None = None,
    *,
    seed: int = 0,
    n_jobs: int = -1,
) -> Problem:
    """Put labels and features of functions side by side; see :func:`train_bundle`."""
    if features.settings.dataset != labels.dataset:
        got = f"features on {features.settings.dataset}"
        raise MismatchError(f"got {got}; expected {labels.dataset}, the dataset of the labels")
    asked = [find_target(name, labels.targets) for name in targets or labels.targets]
    wanted = list(dict.fromkeys(asked))
    by_function = labels.by_function()
    known = by_function.only({id_ for id_ in by_function.ids if id_ in features})
    Y = known.matrix(wanted)
    labelled = np.flatnonzero(np.isfinite(Y).any(axis=1))
    ids = [known.ids[row] for row in labelled]
    if len(ids) < len(by_function.ids):
        logger.warning("%d of %d functions have features", len(ids), len(by_function.ids))
    Y = Y[labelled]
    companions = known.matrix(known.companions)[labelled] if known.companions else None
    fewest = int(np.isfinite(Y).sum(axis=0).min()) if len(Y) else 0
    if fewest < LEAST_FUNCTIONS:
        raise InputError(
            f"got {fewest} functions with features and labels; expected at least {LEAST_FUNCTIONS}"
        )
    columns = feature_sets(features.feature_names)
    if feature_set is not None and feature_set not in columns:
        raise InputError(f"got feature set {feature_set!r}; expected one of {', '.join(columns)}")
    if feature_set is not None:
        columns = {feature_set: columns[feature_set]}
    X = bounded(features.matrix(features.feature_names, ids))
    if labels.space == UNIVERSAL:
        return Problem(ids, X, wanted, Y, columns, seed, n_jobs, spaces=_spaces(ids))
    pool = Pool.of(labels.space, ids, features)
    return Problem(ids, X, wanted, Y, columns, seed, n_jobs, companions=companions, pool=pool)


def _spaces(ids: Sequence[str]) -> NDArray[np.int64]:
    """Number of the space of each function."""
    names, numbers = np.unique([id_.partition("/")[0] for id_ in ids], return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"got labelled functions of {names[0]} only; expected several spaces, since a "
            f"universal forest is judged by leaving out one at a time"
        )
    return numbers


def half_widths(problem: Problem, predicted: OutOfFold) -> NDArray[np.float64]:
    """Half the width of the intervals at :data:`LEVEL`, shape (functions, targets).

    Those of a fold are calibrated on the other folds.
    """
    fold, value, spread = problem.folds(FINAL_FOLDS), predicted.value, predicted.spread
    residuals = problem.Y - value
    half = np.empty_like(residuals)
    for f in np.unique(fold):
        own = fold == f
        calibrated = Intervals.fit(residuals[~own], value[~own], spread[~own])
        every = range(len(problem.targets))
        half[own] = calibrated.half_width(value[own], spread[own], LEVEL, every)
    return half


def _scores(problem: Problem, predicted: OutOfFold) -> dict[str, dict[str, float | int | None]]:
    """Scores of cross-validation."""
    value, half = predicted.value, half_widths(problem, predicted)
    lower = np.clip(value - half, LOWEST, HIGHEST)
    upper = np.clip(value + half, LOWEST, HIGHEST)
    columns = zip(problem.Y.T, value.T, lower.T, upper.T, strict=True)
    return {
        target: score(*column).to_dict()
        for target, column in zip(problem.targets, columns, strict=True)
    }


def _importances(
    problem: Problem, predicted: OutOfFold, columns: Sequence[int], names: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of ``importances.json`` for each target, largest first."""
    clusters, drops = importances(problem, predicted, problem.folds(FINAL_FOLDS), columns)
    found = {}
    for number, target in enumerate(problem.targets):
        rows: list[dict[str, Any]] = [
            {
                "feature": names[cluster[0]],
                "importance": round(float(drop.mean()), 6),
                "std": round(float(drop.std()), 6),
                "with": [names[column] for column in cluster[1:]],
            }
            for cluster, drop in zip(clusters, drops[:, :, number], strict=True)
        ]
        found[target] = sorted(rows, key=lambda row: -row["importance"])
    return found


def _table_bytes(features: FeatureTable) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / files.FEATURES
        features.write(path)
        return path.read_bytes()


def _libraries() -> dict[str, str]:
    versions = {name: version_of(name) for name in LIBRARIES}
    return {"acorn": __version__, "python": platform.python_version()} | versions
