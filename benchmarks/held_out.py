"""Score a forest on held-out equivalence classes: ``python -m benchmarks.held_out``.

Trains on four fifths of the labelled classes and scores the other fifth, one row each. The
baseline, in the same run on the same rows, is a plain random forest on one-hot cells as submitted
and the lengths of their paths.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import kendalltau
from sklearn.ensemble import RandomForestRegressor

from acorn.features.feature_table import FeatureTable
from acorn.learning.labels import Labels
from acorn.learning.splits import held_out
from acorn.learning.train import train_bundle
from acorn.spaces.nats_tss import OPERATIONS, parse_cell
from benchmarks.release import SHIPPED, find_release
from training.evaluation.evaluate import evaluate

TARGETS = (
    "clean", "fgsm_linf_1.0", "pgd_linf_1.0", "apgd_ce_linf_1.0", "square_linf_1.0",
    "corruption_gaussian_noise", "adv.clean", "adv.pgd_linf_8", "adv.autoattack_linf_8",
)  # fmt: skip
FEATURES = Path("models/released/nats_tss-cifar10/features.parquet")
SEED = 1
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))


def plain_features(arch: str) -> list[float]:
    """Return one-hot edges, and the length of each open path (-1 if it is closed)."""
    cell = parse_cell(arch)
    onehot = [float(name == operation) for name in cell for operation in OPERATIONS]
    paths = [
        float(sum(cell[edge].startswith("nor_conv") for edge in path))
        if all(cell[edge] != "none" for edge in path)
        else -1.0
        for path in PATHS
    ]
    return onehot + paths


def plain_forest(train: Labels, test: Labels) -> dict[str, float]:
    """Return tau by class of the plain forest, trained on all rows of the training classes."""
    X, Z = (np.array([plain_features(a) for a in part.frame["arch"]]) for part in (train, test))
    scores = {}
    for target in TARGETS:
        forest = RandomForestRegressor(100, n_jobs=-1, random_state=0)
        forest.fit(X, train.matrix([target])[:, 0])
        rows = test.frame.select("id", target).with_columns(predicted=forest.predict(Z))
        once = rows.group_by("id").agg(pl.col(target, "predicted").mean())
        scores[target] = float(kendalltau(once[target], once["predicted"]).statistic)
    return scores


def split(
    shared: Path, table: Path = FEATURES, seed: int = SEED
) -> tuple[Labels, Labels, FeatureTable]:
    """Return the labels to train on, those of the other fifth of the classes, and features."""
    labels = find_release("nats_tss-cifar10").read_labels(shared)
    features = FeatureTable.read(table)
    ids = sorted(set(labels.ids) & set(features.ids))
    out = held_out(ids, fraction=0.2, seed=seed)
    test_ids = {id_ for id_, held in zip(ids, out, strict=True) if held}
    return labels.only(set(ids) - test_ids), labels.only(test_ids), features


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--features", type=Path, default=FEATURES)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()

    train, test, features = split(options.shared, options.features, options.seed)
    targets = [target for target in train.targets if SHIPPED.fullmatch(target)]
    with tempfile.TemporaryDirectory() as folder:
        bundle = train_bundle(train, features, Path(folder) / "held_out", targets=targets)
        scored = evaluate(bundle, test).result["targets"]
    plain = plain_forest(train, test)
    counts = [len(set(part.ids)) for part in (train, test)]
    print(f"trained on {counts[0]} functions, scored on {counts[1]} others")
    print(f"{'target':28s} {'plain tau':>9s} {'tau':>6s} {'MAE':>6s} {'cover':>6s} {'width':>6s}")
    for target in TARGETS:
        score = scored[target]["by_function"]
        print(
            f"{target:28s} {plain[target]:9.3f} {score['kendall_tau']:6.3f} {score['mae']:6.2f} "
            f"{score['coverage']:6.3f} {score['median_width']:6.2f}"
        )
    coverage = [scored[target]["by_function"]["coverage"] for target in targets]
    print(f"coverage of 90% intervals, all {len(targets)} targets: "
          f"{min(coverage):.3f} to {max(coverage):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
