"""Score predictions of latency and energy on devices: ``python -m benchmarks.hardware``.

A bundle is trained on labels of HW-NAS-Bench for whole equivalence classes of NAS-Bench-201, at
most 1,000 cells, on structure features alone. It is scored on all other cells, and on the means of
the other classes. Beside it, on the same rows: trees on the cell as submitted, with and without the
structure features of its class, and the mean of all cells of a class, which is the best that a
prediction for the class can do.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau
from sklearn.ensemble import ExtraTreesRegressor

from acorn.features.feature_table import FeatureTable
from acorn.forests import bounded
from acorn.learning.labels import Labels
from acorn.learning.splits import uniform
from acorn.learning.train import train_bundle
from benchmarks.held_out import plain_features
from benchmarks.release import RELEASED
from training.evaluation.evaluate import LEVEL, evaluate
from training.labels.importers import import_hw_nas_bench
from training.labels.reading import read_labels

Floats = np.ndarray

HEADS = {"acorn": 20, "acorn, by class": 20, "cell": 13, "cell, class": 13, "class mean": 13}


def draw(labels: Labels, rows: int, seed: int) -> tuple[Labels, Labels]:
    """Split labels into whole classes with at most a number of rows, and the others."""
    counts = labels.frame["id"].value_counts()
    by_hash = sorted(counts.rows(), key=lambda pair: uniform(pair[0], seed=seed))
    total = np.cumsum([count for _, count in by_hash])
    chosen = {id_ for (id_, _), n in zip(by_hash, total, strict=True) if n <= rows}
    return labels.only(chosen), labels.only(set(labels.ids) - chosen)


def scores(label: Floats, value: Floats) -> str:
    """Tau and median relative error of the rows that have a label."""
    there = np.isfinite(label) & np.isfinite(value)
    label, value = label[there], value[there]
    error = np.median(np.abs(value / label - 1))
    return f"{kendalltau(label, value).statistic:6.3f}{error:7.1%}"


def cell_features(labels: Labels) -> Floats:
    """One-hot cells as submitted, and the lengths of their paths."""
    return np.array([plain_features(arch) for arch in labels.frame["arch"]])


def trees(X: Floats, y: Floats, Z: Floats) -> Floats:
    """Predict by extremely randomised trees on the logarithms of labels."""
    there = np.isfinite(y)
    forest = ExtraTreesRegressor(300, max_features=0.5, random_state=0)
    return np.exp(forest.fit(X[there], np.log(y[there])).predict(Z))


def class_means(labels: Labels, target: str) -> Floats:
    """Return the geometric mean of each row's class, which includes the row."""
    logs = np.log(labels.matrix([target])[:, 0])
    sums: dict[str, list[float]] = {}
    for id_, log in zip(labels.ids, logs, strict=True):
        if np.isfinite(log):
            sums.setdefault(id_, []).append(log)
    return np.array([np.exp(np.mean(sums[id_])) if id_ in sums else np.nan for id_ in labels.ids])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    features = FeatureTable.read(RELEASED / f"nats_tss-{options.dataset}" / "features.parquet")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "hardware.parquet"
        source = options.shared / "benchmarks" / "nats_tss_hardware.parquet"
        import_hw_nas_bench(source).write_parquet(table)
        labels = read_labels([str(table)], space="nats_tss", dataset=options.dataset)
        labels = labels.only(set(features.ids))
        train, test = draw(labels, options.rows, options.seed)
        start = time.perf_counter()
        bundle = train_bundle(train, features, Path(folder) / "b", feature_set="structure")
        seconds = time.perf_counter() - start
        evaluation = evaluate(bundle, test)
        size = sum(path.stat().st_size for path in (Path(folder) / "b").glob("forest-*")) / 2**20
    cells = [cell_features(part) for part in (train, test)]
    structure = [bounded(features.matrix(bundle.feature_names, p.ids)) for p in (train, test)]
    both = [np.hstack(pair) for pair in zip(cells, structure, strict=True)]
    print(
        f"{options.dataset}: trained on {len(train.frame)} cells of {len(set(train.ids))} classes, "
        f"scored on {len(test.frame)} cells of {len(set(test.ids))} others; "
        f"{seconds:.0f} s, forests {size:.1f} MiB"
    )
    print(f"{'':28s}" + "".join(f"{head:^{width}s}" for head, width in HEADS.items()))
    print(
        f"{'target':28s}"
        + f"{'tau':>6s}{'error':>7s}{'cover':>7s}" * 2
        + f"{'tau':>6s}{'error':>7s}" * 3
    )
    for target in labels.targets:
        y, label = (part.matrix([target])[:, 0] for part in (train, test))
        product = evaluation.result["targets"][target]
        print(
            f"{target:28s}"
            + "".join(
                f"{part['kendall_tau']:6.3f}{part['median_relative_error']:7.1%}"
                f"{part['coverage']:7.3f}"
                for part in (product["all"], product["by_function"])
            )
            + scores(label, trees(cells[0], y, cells[1]))
            + scores(label, trees(both[0], y, both[1]))
            + scores(label, class_means(test, target))
        )
    print(f"error: median relative error; cover: share of labels in the {LEVEL:.0%} interval")


if __name__ == "__main__":
    main()
