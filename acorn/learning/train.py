"""Trains a bundle from labels and features, and writes it to disk."""

import json
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np

from acorn import __version__
from acorn.conditions import category_columns
from acorn.datasets import get_dataset
from acorn.errors import InputError, UnknownDatasetError, abbreviate
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.forests import (
    Bundle,
    Ensemble,
    Intervals,
    Manifest,
    Member,
    OutlierDetector,
    TrainingSet,
    bounded,
    write_bundle,
)
from acorn.forests import manifest as files
from acorn.forests.manifest import Candidate, ForestEntry
from acorn.learning.evaluation_metrics import score
from acorn.learning.feature_sets import feature_sets, scale_free
from acorn.learning.few_labels import fit_ranks, rank_intervals
from acorn.learning.few_labels.estimate_forests import fit_few_labels
from acorn.learning.few_labels.ranks import LEAST_MEMBERS
from acorn.learning.fitting import Configuration
from acorn.learning.importance import importances
from acorn.learning.labels import Labels
from acorn.learning.model_card import FEW_LABELS, model_card
from acorn.learning.model_selection import ModelSelection, OutOfFoldPredictions
from acorn.learning.population import sample_members
from acorn.learning.training_data import LEAST_SELECTED, TrainingData
from acorn.spaces import UNIVERSAL, get_space
from acorn.targets import Target

logger = logging.getLogger(__name__)

LEVEL = 0.9
"""Level of the intervals whose coverage and width are in the manifest."""

SAMPLING_SECONDS = 60.0
"""Time limit of the structure features of the members that are sampled from a space."""

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

    If a target has fewer than a hundred labels, no configuration is chosen: the forests reproduce
    what :mod:`acorn.learning.few_labels` estimates for the rows of the feature table.

    Equivalent architectures are one row, with their mean label; with conditions, each labelled row
    stays one. The configuration, the intervals, the importances and the scores in the manifest come
    from cross-validation over these rows, whose folds do not separate the rows of an architecture
    or of a group; for a universal bundle without groups, from leaving out one space at a time.

    Parameters
    ----------
    labels : Labels
        Labels of one space and dataset; their conditions become inputs of the bundle.
    features : FeatureTable
        Features of the labelled architectures, at the image size of each row if that is a
        condition. The table becomes part of the bundle, rows without labels included.
    out : pathlib.Path
        Folder of the bundle; its name is the name of the bundle. An existing bundle is replaced.
    targets : sequence of str, optional
        What to predict; by default all targets of the labels.
    feature_set : str, optional
        Name of a set of :func:`~acorn.learning.feature_sets.feature_sets`; by default chosen by
        cross-validation. The table in the bundle then has the features of the set only.
    configuration : Configuration, optional
        Start of the model selection; its number of trees is kept, and from a random forest only
        random forests on the original labels are tried. If it is given, there is model selection
        also with few labels.
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
    data = TrainingData.of(
        labels,
        features,
        targets,
        feature_set,
        seed=seed,
        n_jobs=n_jobs,
        few_labels=configuration is None,
    )
    parts = [
        _fit_few(part) if part.has_few_labels else _fit(part, configuration or Configuration())
        for part in data.by_scale()
    ]

    members = [
        (member, [part.data.targets[target] for target in member.targets])
        for part in parts
        for member in part.ensemble.members
    ]
    manifest = _manifest(
        out,
        features,
        version,
        schema_version=files.CONDITIONS_VERSION if labels.conditions else files.SCHEMA_VERSION,
        space=labels.space,
        dataset=labels.dataset,
        targets=[name for part in parts for name in part.data.targets],
        features=list(data.names),
        labels=list(labels.sources),
        functions=len(set(data.ids)),
        parameters=_parameters(parts) | {"seed": seed},
        candidates=[candidate for part in parts for candidate in part.candidates],
        scores={name: row for part in parts for name, row in _scores(part).items()},
        conditions=list(labels.conditions),
    )
    ranking = {
        name: rows
        for part in parts
        for name, rows in _importances(part.data, part.predictions, part.columns).items()
    }
    intervals = Intervals.joined([part.predictions.intervals(part.data) for part in parts])
    used = sorted({column for part in parts for column in part.used})
    detector = _outlier_detector(data, used)
    if feature_set is not None:
        columns = feature_sets(features.feature_names)[feature_set]
        features = features.select([features.feature_names[column] for column in columns])
    return _write(out, manifest, members, used, intervals, detector, data.ids, ranking, features)


def train_ranks(
    features: FeatureTable,
    space: str,
    out: Path,
    *,
    target: str = "clean",
    version: str = __version__,
    seed: int = 0,
) -> Bundle:
    """Write a bundle that ranks architectures without a label.

    Its predictions are percentiles among the rows of the feature table, from a prior that accuracy
    rises with size, depth and some proxies: see :mod:`acorn.learning.few_labels`.

    Parameters
    ----------
    features : FeatureTable
        Features of a population, best some hundreds of architectures of the space. The table
        becomes part of the bundle.
    space : str
        Name of the space, or ``universal`` for any network.
    out : pathlib.Path
        Folder of the bundle; its name is the name of the bundle. An existing bundle is replaced.
    target : str, default="clean"
        What to rank by; the prior is about clean accuracy.
    version : str, default=acorn.__version__
        Version of the bundle.
    seed : int, default=0
        Seed of the outlier detector.

    Returns
    -------
    Bundle
        The bundle, as loaded from ``out``.

    Raises
    ------
    UnknownTargetError
        If ``target`` is not the name of a target.
    InputError
        If there are too few rows, rows of another space, or no feature that the prior reads.
    """
    out, name = Path(out), Target.of(target).name
    others = [id_ for id_ in features.ids if space not in (id_.partition("/")[0], UNIVERSAL)]
    if others:
        raise InputError(f"got features of {abbreviate(others[0])}; expected those of {space}")
    names = features.feature_names
    X = bounded(features.matrix(names))
    member, shares = fit_ranks(X, names)
    used = list(member.features)
    manifest = _manifest(
        out,
        features,
        version,
        schema_version=files.RANKS_VERSION,
        space=space,
        dataset=features.settings.dataset,
        targets=[name],
        features=names,
        labels=[],
        functions=0,
        parameters={},
        candidates=[],
        scores={},
        conditions=[],
        ranks=True,
    )
    ranking = [
        {"feature": names[column], "importance": round(share, 6), "std": 0.0, "with": []}
        for share, column in sorted(zip(shares, used, strict=True), reverse=True)
    ]
    return _write(
        out,
        manifest,
        [(member, [name])],
        used,
        rank_intervals(),
        OutlierDetector.fit(X[:, used], seed=seed),
        (),
        {name: ranking},
        features,
    )


def train_sampled_ranks(
    space: str,
    dataset: str,
    out: Path,
    *,
    target: str = "clean",
    seed: int = 0,
    seconds: float = SAMPLING_SECONDS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Bundle:
    """Sample members of a space, and write a bundle that ranks architectures among them.

    Their structure features are computed, which takes some hundredths of a second to a second each.

    Parameters
    ----------
    space : str
        Name of a space that can be sampled.
    dataset : str
        Name of the dataset.
    out : pathlib.Path
        Folder of the bundle, as :func:`~acorn.learning.train.train_ranks` takes it.
    target : str, default="clean"
        What to rank by.
    seed : int, default=0
        Seed of the sample and of the outlier detector.
    seconds : float, default=SAMPLING_SECONDS
        Time limit of the features. After it the population is the members that are done.
    on_progress : callable, optional
        Called with (done, total) after each member.

    Returns
    -------
    Bundle
        The bundle, as loaded from ``out``. Its values are percentiles among the members.

    Raises
    ------
    UnknownDatasetError
        If the space is not defined for the dataset.
    InputError
        If the space cannot be sampled, or has too few members to rank among.
    """
    from acorn.features.extractor import get_extractor  # which imports torch

    owner = get_space(space)
    if not owner.takes(get_dataset(dataset)):
        raise UnknownDatasetError(dataset, owner.datasets)
    archs = {owner.parse(arch).canonical: None for arch in sample_members(owner, seed=seed)}
    recipe = FeatureRecipe.create(dataset, ())
    extractor = get_extractor(recipe, "cpu")
    rows: list[FeatureRow] = []
    end = time.monotonic() + seconds
    for arch in archs:
        if len(rows) >= LEAST_MEMBERS and time.monotonic() > end:
            logger.warning("%s: %d of %d members in %g s", space, len(rows), len(archs), seconds)
            break
        rows.append(extractor.compute(owner, arch))
        if on_progress is not None:
            on_progress(len(rows), len(archs))
    return train_ranks(
        FeatureTable.from_rows(rows, recipe.settings), space, out, target=target, seed=seed
    )


def _manifest(out: Path, table: FeatureTable, version: str, **fields: Any) -> Manifest:
    """Start the manifest of a bundle; its files and forests are added when it is written."""
    return Manifest.model_construct(
        name=out.name,
        version=version,
        created=datetime.now(UTC).replace(microsecond=0),
        files={},
        settings=asdict(table.settings),
        libraries=_libraries(),
        forests=[],
        **fields,
    )


def _write(
    out: Path,
    manifest: Manifest,
    members: Sequence[tuple[Member, list[str]]],
    used: Sequence[int],
    intervals: Intervals,
    detector: OutlierDetector,
    seen: Sequence[str],
    ranking: Mapping[str, Sequence[Mapping[str, Any]]],
    features: FeatureTable,
) -> Bundle:
    """Write a bundle whose manifest lists all columns; of these it has only those in use.

    No others are then computed to predict.
    """
    place_of = {column: place for place, column in enumerate(used)}
    entries = [
        ForestEntry(
            file=f"forest-{number}.safetensors",
            features=[place_of[column] for column in member.features],
            targets=names,
            trees=member.forest.n_trees,
            boosted=member.boosted,
            weight=member.weight,
            additive=member.additive,
        )
        for number, (member, names) in enumerate(members)
    ]
    manifest = manifest.model_copy(
        update={"forests": entries, "features": [manifest.features[column] for column in used]}
    )
    contents = {
        **{
            entry.file: member.forest.to_bytes()
            for entry, (member, _) in zip(entries, members, strict=True)
        },
        files.INTERVALS: intervals.to_bytes(),
        files.DOMAIN: detector.to_bytes(),
        files.SEEN: TrainingSet.of(seen).to_bytes(),
        files.IMPORTANCES: json.dumps(ranking, indent=1).encode(),
        files.FEATURES: features.to_bytes(),
        files.MODEL_CARD: model_card(manifest, ranking).encode(),
    }
    return write_bundle(out, contents, manifest)


@dataclass(frozen=True)
class _Part:
    """What was fitted to the targets of one scale."""

    data: TrainingData
    chosen: Configuration
    predictions: OutOfFoldPredictions
    ensemble: Ensemble
    candidates: list[Candidate]

    @property
    def columns(self) -> Sequence[int]:
        """Columns of the chosen feature set."""
        return self.data.columns[self.chosen.features]

    @property
    def used(self) -> set[int]:
        """Columns that the forests read, those of optional categories included."""
        effects = (member.features for member in self.ensemble.members if member.additive)
        return {*self.columns}.union(*effects)


def _fit_few(data: TrainingData) -> _Part:
    """Fit forests to few labels, which do not suffice to choose a configuration."""
    chosen, predictions, ensemble = fit_few_labels(data, Configuration())
    candidate = Candidate(
        stage=FEW_LABELS,
        parameters=chosen.to_dict(),
        kendall_tau=predictions.kendall_tau(data),
    )
    return _Part(data, chosen, predictions, ensemble, [candidate])


def _outlier_detector(data: TrainingData, used: Sequence[int]) -> OutlierDetector:
    """Fit the detector to the columns in use, with few labels of the population."""
    if data.has_few_labels and data.population is not None:
        return OutlierDetector.fit(data.population.X[:, used], seed=data.seed)
    X = data.X[:, used]
    categories = category_columns(data.names)
    optional = {column for name in data.levels for column in categories[name]}
    if data.row_groups is None:
        detector = OutlierDetector.fit(X, seed=data.seed)
        return detector.without([place for place, column in enumerate(used) if column in optional])
    columns = scale_free([data.names[column] for column in used])
    return OutlierDetector.fit_groups(X, data.row_groups, columns or range(len(used)))


def _fit(data: TrainingData, start: Configuration) -> _Part:
    """Choose a configuration and fit the forests."""
    if data.fewest < LEAST_SELECTED:
        got = f"{data.fewest} architectures with features and labels"
        raise InputError(f"got {got}; expected {LEAST_SELECTED} or more for model selection")
    selection = ModelSelection(data)
    chosen, predictions = selection.run(start)
    logger.info("fitting the forests of %d targets: %s", len(data.targets), chosen)
    ensemble = data.fit(chosen, np.ones(len(data.ids), bool))
    return _Part(data, chosen, predictions, ensemble, selection.candidates)


def _parameters(parts: Sequence[_Part]) -> dict[str, Any]:
    """Hyper-parameters: of all forests, or of those of each scale."""
    if len(parts) == 1:
        return parts[0].chosen.to_dict()
    return {
        f"{part.data.scale_name}.{name}": value
        for part in parts
        for name, value in part.chosen.to_dict().items()
    }


def _scores(part: _Part) -> dict[str, dict[str, float | int | None]]:
    """Cross-validation scores of each target."""
    data, value = part.data, part.predictions.value
    half = part.predictions.half_widths(data, LEVEL)
    arrays = (data.scale.to_label(data.Y), *data.scale.prediction(value, half))
    columns = zip(*(array.T for array in arrays), strict=True)
    return {
        target: score(*column, relative=Target.of(target).scale == "log").to_dict()
        for target, column in zip(data.targets, columns, strict=True)
    }


def _importances(
    data: TrainingData, predictions: OutOfFoldPredictions, columns: Sequence[int]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of ``importances.json`` for each target, largest first."""
    clusters, drops = importances(data, predictions, columns)
    names = data.names
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


def _libraries() -> dict[str, str]:
    versions = {name: version_of(name) for name in LIBRARIES}
    return {"acorn": __version__, "python": platform.python_version()} | versions
