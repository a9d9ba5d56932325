"""Trains a bundle from labels and features, and writes it to disk."""

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

from acorn import __version__
from acorn.features.feature_table import FeatureTable
from acorn.forests import Bundle, Intervals, Manifest, OutlierDetector, TrainingSet, write_bundle
from acorn.forests import manifest as files
from acorn.forests.manifest import ForestEntry
from acorn.learning.evaluation_metrics import score
from acorn.learning.fitting import Configuration
from acorn.learning.importance import importances
from acorn.learning.labels import Labels
from acorn.learning.model_card import model_card
from acorn.learning.model_selection import ModelSelection, OutOfFoldPredictions
from acorn.learning.training_data import TrainingData

logger = logging.getLogger(__name__)

LEVEL = 0.9
"""Level of the intervals whose coverage and width are in the manifest."""

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
    """Choose a configuration, fit the forests and write the bundle.

    Equivalent architectures are one row, with their mean label. The configuration, the intervals,
    the importances and the scores in the manifest come from cross-validation over these rows; for a
    universal bundle, from leaving out one space at a time.

    Parameters
    ----------
    labels : Labels
        Labels of one space and dataset.
    features : FeatureTable
        Features of the labelled architectures. The table becomes part of the bundle, rows without
        labels included.
    out : pathlib.Path
        Folder of the bundle; its name is the name of the bundle. An existing bundle is replaced.
    targets : sequence of str, optional
        What to predict; by default all targets of the labels.
    feature_set : str, optional
        Name of a set of :func:`~acorn.learning.feature_sets.feature_sets`; by default chosen by
        cross-validation.
    configuration : Configuration, optional
        Start of the model selection; its number of trees is kept.
    version : str, default=acorn.__version__
        Version of the bundle.
    seed : int, default=0
        Seed of splits and forests.
    n_jobs : int, default=-1
        Number of cores; -1 uses all.

    Returns
    -------
    Bundle
        The bundle, as loaded from ``out``.

    Raises
    ------
    UnknownTargetError
        For a target that the labels do not have.
    InputError
        If too few labelled architectures have features.
    MismatchError
        If the features are of another dataset than the labels.
    """
    out = Path(out)
    data = TrainingData.of(labels, features, targets, feature_set, seed=seed, n_jobs=n_jobs)
    selection = ModelSelection(data)
    chosen, predictions = selection.run(configuration or Configuration())
    logger.info("fitting the forests of %d targets: %s", len(data.targets), chosen)
    ensemble = data.fit(chosen, np.ones(len(data.ids), bool))

    # The bundle has only the columns in use, so that no others are computed to predict.
    used = list(data.columns[chosen.features])
    intervals = Intervals.fit(data.Y - predictions.value, predictions.value, predictions.spread)
    ranking = _importances(data, predictions, used, features.feature_names)
    entries = [
        ForestEntry(
            file=f"forest-{number}.safetensors",
            features=list(range(len(used))),
            targets=[data.targets[target] for target in member.targets],
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
        targets=list(data.targets),
        features=[features.feature_names[column] for column in used],
        settings=asdict(features.settings),
        libraries=_libraries(),
        labels=list(labels.sources),
        functions=len(data.ids),
        forests=entries,
        parameters=chosen.to_dict() | {"seed": seed},
        candidates=selection.candidates,
        scores=_scores(data, predictions),
    )
    contents = {
        **{
            entry.file: member.forest.to_bytes()
            for entry, member in zip(entries, ensemble.members, strict=True)
        },
        files.INTERVALS: intervals.to_bytes(),
        files.DOMAIN: OutlierDetector.fit(data.X[:, used], seed=seed).to_bytes(),
        files.SEEN: TrainingSet.of(data.ids).to_bytes(),
        files.IMPORTANCES: json.dumps(ranking, indent=1).encode(),
        files.FEATURES: _table_bytes(features),
        files.MODEL_CARD: model_card(manifest, ranking).encode(),
    }
    return write_bundle(out, contents, manifest)


def _scores(
    data: TrainingData, predictions: OutOfFoldPredictions
) -> dict[str, dict[str, float | int | None]]:
    """Cross-validation scores of each target."""
    value, half = predictions.value, predictions.half_widths(data, LEVEL)
    arrays = (data.scale.to_label(data.Y), *data.scale.prediction(value, half))
    columns = zip(*(array.T for array in arrays), strict=True)
    return {
        target: score(*column).to_dict()
        for target, column in zip(data.targets, columns, strict=True)
    }


def _importances(
    data: TrainingData,
    predictions: OutOfFoldPredictions,
    columns: Sequence[int],
    names: Sequence[str],
) -> dict[str, list[dict[str, Any]]]:
    """Rows of ``importances.json`` for each target, largest first."""
    clusters, drops = importances(data, predictions, columns)
    rows_by_target = {}
    for number, target in enumerate(data.targets):
        rows: list[dict[str, Any]] = [
            {
                "feature": names[cluster[0]],
                "importance": round(float(drop.mean()), 6),
                "std": round(float(drop.std()), 6),
                "with": [names[column] for column in cluster[1:]],
            }
            for cluster, drop in zip(clusters, drops[:, :, number], strict=True)
        ]
        rows_by_target[target] = sorted(rows, key=lambda row: -row["importance"])
    return rows_by_target


def _table_bytes(features: FeatureTable) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / files.FEATURES
        features.write(path)
        return path.read_bytes()


def _libraries() -> dict[str, str]:
    versions = {name: version_of(name) for name in LIBRARIES}
    return {"acorn": __version__, "python": platform.python_version()} | versions
