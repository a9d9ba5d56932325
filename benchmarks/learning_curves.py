"""Learning curves of features and smooth labels: ``python -m benchmarks.learning_curves``.

Kendall tau on held-out equivalence classes, one row each, for 25 to all labels, with several draws
that are the same for all models. Trees on plain labels (``kind``) with structure, the columns of
the space, proxies, and combinations; and, with the columns of the space, forests on smooth labels
(``smooth``) and their mean with trees on plain labels (``blend``). Writes
``benchmarks/results/<bundle>-curves.json``, which ``acorn evaluate --report --curves`` draws.
"""

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from acorn.features.feature_table import FeatureTable
from acorn.learning.composition import Composition
from acorn.learning.evaluation_metrics import tau
from acorn.learning.fitting import Configuration
from acorn.learning.training_data import TrainingData
from benchmarks.release import RELEASED, SHIPPED, find_release

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

    release = find_release(options.bundle)
    table = FeatureTable.read(RELEASED / release.name / "features.parquet")
    labels = release.read_labels(options.shared)
    shipped = [target for target in labels.targets if SHIPPED.fullmatch(target)]
    data = TrainingData.of(labels, table, shipped)
    targets = [target for target in TARGETS if target in shipped]
    places = [shipped.index(target) for target in targets]
    X, Y, functions = data.X, data.Y[:, places], len(data.ids)
    plain = replace(data, targets=targets, Y=Y, companions=None, population=None)
    held = int(HELD_OUT * functions)
    sizes = [size for size in SIZES if size < functions - held] + [functions - held]
    own = "space" if "space" in data.columns else "structure"
    curves: dict[str, list[dict[str, object]]] = defaultdict(list)
    print(f"{functions} functions, {held} of them held out; mean tau of {options.draws} draws")
    for size in sizes:
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for draw in range(options.draws):
            order = np.random.default_rng(draw).permutation(functions)
            test, train = order[:held], np.isin(np.arange(functions), order[held : held + size])
            trees = replace(plain, seed=draw)
            predicted = {}
            for name in data.columns:
                forest = trees.fit(
                    Configuration(features=name, composition=Composition.KIND), train
                )
                predicted[name] = forest.distribution(X[test], range(len(targets)))[0]
            blend = data.fit(Configuration(features=own, composition=Composition.BLEND), train)
            predicted[f"{own}, smooth"] = Composition.SMOOTH.select(
                blend, data.groups
            ).distribution(X[test], places)[0]
            predicted[f"{own}, blend"] = blend.distribution(X[test], places)[0]
            for name, value in predicted.items():
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
