"""Score predictions for real networks on ImageNet: ``python -m benchmarks.real_networks``.

The forests of the bundle ``universal-imagenet1k`` are fitted anew to some families of networks, and
predict the others: no family is on both sides. Scores are of the rows without pretraining, for
requests that do not know the training recipe, and for accuracies also for those that do. Beside
them: the number of parameters, that of multiply-accumulates, and the best single structure column,
which is known in hindsight only. ``--train OUT`` trains the bundle instead.
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import kendalltau

from acorn.features.feature_table import FeatureTable
from acorn.forests import Bundle
from acorn.learning.labels import Labels
from acorn.learning.model_selection import OutOfFoldPredictions, cross_validate, final_folds
from acorn.learning.train import LEVEL, train_bundle
from acorn.learning.training_data import TrainingData
from acorn.spaces import UNIVERSAL, recognise_ids
from acorn.targets import Target
from benchmarks.crossed import configuration_of
from benchmarks.release import RELEASED
from training.labels.reading import read_labels

NAME = "universal-imagenet1k"
FILES = ("imagenet_timm.parquet", "imagenet_timm_speed.parquet")
CONDITIONS = ("image_size", "pretraining=none", "recipe=unknown")
BANDS = (0, 8, 16, 24, 32, 64, 1000)
"""Bands of parameters, in millions."""

Floats = np.ndarray


def labels_of(shared: Path) -> Labels:
    """Read the labels of timm's networks: accuracies, and speeds on five devices."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = []
        for name in FILES:
            table = pl.read_parquet(shared / "benchmarks" / name)
            speeds = [column for column in table.columns if column.startswith("throughput.")]
            path = Path(scratch) / name
            table.rename({column: f"imagenet1k.{column}" for column in speeds}).write_parquet(path)
            paths.append(f"timm={path}")
        return read_labels(
            paths,
            space=UNIVERSAL,
            dataset="imagenet1k",
            conditions=CONDITIONS,
            groups="family",
        )


def tau(label: Floats, value: Floats) -> float:
    """Kendall's tau-b."""
    return float(kendalltau(label, value).statistic)


def baselines(data: TrainingData, rows: Floats, label: Floats) -> str:
    """Tau of single columns with a label."""
    X = data.X[rows].astype(float)
    columns = {name: abs(tau(label, column)) for name, column in zip(data.names, X.T, strict=True)}
    columns = {name: value for name, value in columns.items() if np.isfinite(value)}
    best = max(columns, key=lambda name: columns[name])
    params, macs = columns["graph.log_params"], columns["graph.log_macs"]
    return f"params {params:.3f}  MACs {macs:.3f}  {best} {columns[best]:.3f}"


def with_recipes(data: TrainingData, predicted: OutOfFoldPredictions) -> Floats:
    """Predict each row under its training recipe, whose effect other families have taught."""
    X, fold = data.with_levels(), final_folds(data)
    value = np.empty_like(predicted.value)
    for number, ensemble in zip(np.unique(fold), predicted.ensembles, strict=True):
        rows = fold == number
        value[rows], _ = ensemble.distribution(X[rows], range(len(data.targets)))
    return data.scale.to_label(value)


def report(data: TrainingData, predicted: OutOfFoldPredictions) -> None:
    """Print the scores of each target."""
    known = with_recipes(data, predicted)
    none = data.X[:, data.names.index("condition.pretraining.none")] == 1
    params = np.expm1(data.X[:, data.names.index("graph.log_params")].astype(float)) / 1e6
    families = np.array(data.row_groups)
    half = predicted.half_widths(data, LEVEL)
    labels = data.scale.to_label(data.Y)
    values, lower, upper = data.scale.prediction(predicted.value, half)
    for number, target in enumerate(data.targets):
        rows = none & np.isfinite(labels[:, number])
        label, value = labels[rows, number], values[rows, number]
        low, high = lower[rows, number], upper[rows, number]
        inside = (low <= label) & (label <= high)
        error = np.abs(value - label)
        if Target.of(target).scale == "log":
            size = f"median error {np.median(error / label):.1%}"
            width = f"median factor {np.median(high / low):.2f}"
        else:
            size, width = f"MAE {error.mean():.2f}", f"median width {np.median(high - low):.1f}"
        print(f"{target}: {len(label)} rows, tau {tau(label, value):.3f}, {size}")
        if Target.of(target).scale == "linear":
            with_recipe = known[rows, number]
            mae = np.abs(with_recipe - label).mean()
            print(f"  with the recipe: tau {tau(label, with_recipe):.3f}, MAE {mae:.2f}")
        print(f"  beside it: {baselines(data, rows, label)}")
        bands = []
        for least, most in itertools.pairwise(BANDS):
            band = (params[rows] >= least) & (params[rows] < most)
            bands.append(f"{least}-{most} M: {tau(label[band], value[band]):.2f}")
        print(f"  tau within bands of parameters: {', '.join(bands)}")
        coverage = {
            family: inside[families[rows] == family].mean()
            for family in np.unique(families[rows])
            if np.count_nonzero(families[rows] == family) >= 10
        }
        least = min(coverage, key=lambda family: coverage[family])
        print(
            f"  90% intervals cover {inside.mean():.1%}, {width}; of families of ten rows or more "
            f"{min(coverage.values()):.0%} ({least}) to {max(coverage.values()):.0%}",
            flush=True,
        )


def main() -> None:
    """Parse options, and score or train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--bundle", type=Path, default=RELEASED / NAME)
    parser.add_argument("--features", type=Path, help="feature table, to train")
    parser.add_argument("--train", type=Path, help="folder of the bundle to train")
    options = parser.parse_args()
    if options.train:
        table = FeatureTable.read(options.features)
        recognise_ids(table.ids)
        labels = labels_of(options.shared)
        train_bundle(labels, table, options.train)
        return
    bundle = Bundle.load(options.bundle)
    recognise_ids(bundle.table.ids)
    labels = labels_of(options.shared)
    data = TrainingData.of(labels, bundle.table, bundle.targets)
    for part in data.by_scale():
        configuration = configuration_of(bundle, part.scale_name)
        folds = int(final_folds(part).max()) + 1
        print(f"{part.scale_name} scale: {folds} folds of families, {configuration}")
        report(part, cross_validate(part, configuration, folds))


if __name__ == "__main__":
    main()
