"""What features are worth, by number of labels: ``python -m benchmarks.learning_curves``.

Kendall tau on functions that the forest never saw, one row a function, with structure only, the
space's own structure only, proxies only and both, for 25 to all labels, several draws each. The
same draws for every set of features. Writes ``benchmarks/results/<bundle>-curves.json``, which
``acorn evaluate --report --curves`` draws.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.release import RELEASED, RELEASES
from models.feature_table import FeatureTable
from models.forests.bundle import bounded
from training.feature_sets import feature_sets
from training.growing import Configuration, Groups, grow
from training.metrics import tau

RESULTS = Path("benchmarks/results")
SIZES = (25, 50, 100, 250, 1000)
TARGETS = (
    "clean", "pgd_linf_1.0", "square_linf_1.0", "corruption_gaussian_noise", "adv.pgd_linf_8",
)  # fmt: skip
HELD_OUT = 0.2


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", default="nats_tss-cifar10")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()

    release = next(each for each in RELEASES if each.name == options.bundle)
    table = FeatureTable.read(RELEASED / release.name / "features.parquet")
    labels = release.read_labels(options.shared).by_function()
    labels = labels.only(set(table.ids))
    targets = [target for target in TARGETS if target in labels.targets]
    X = bounded(table.matrix(table.feature_names, labels.ids))
    Y = labels.matrix(targets)
    there = np.isfinite(Y).all(axis=1)
    X, Y = X[there], Y[there]
    groups = Groups.of(targets, Y).kind
    held = int(HELD_OUT * len(X))
    sizes = [size for size in SIZES if size < len(X) - held] + [len(X) - held]
    curves: dict[str, list[dict[str, object]]] = defaultdict(list)
    print(f"{len(X)} functions, {held} of them held out; mean tau of {options.draws} draws")
    for size in sizes:
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for draw in range(options.draws):
            order = np.random.default_rng(draw).permutation(len(X))
            test, train = order[:held], order[held : held + size]
            for name, columns in feature_sets(table.feature_names).items():
                configuration = Configuration(features=name)
                forest = grow(
                    X[train], Y[train], groups, columns, configuration, seed=draw, n_jobs=-1
                )
                value, _ = forest.distribution(X[test], range(len(targets)))
                for number, target in enumerate(targets):
                    found[name, target].append(tau(Y[test][:, number], value[:, number]))
        for (name, target), taus in found.items():
            curves[target].append(
                {"labels": size, "features": name, "tau": np.round(taus, 4).tolist()}
            )
            print(f"{target:28s} {size:5d} {name:18s} {np.mean(taus):.3f}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{release.name}-curves.json").write_text(json.dumps(curves, indent=1) + "\n")


if __name__ == "__main__":
    main()
