"""Measure label noise with equivalent architectures: ``python -m benchmarks.twins``.

Equivalent architectures were trained independently. The Kendall tau between the labels of two
members of each class is the score of another training run as a predictor. It is compared with the
score of out-of-fold predictions on the same labels. Robust labels were measured once for each
isomorphism class and copied, so the two members are from different isomorphism classes.
"""

import argparse
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl

from acorn.learning.evaluation_metrics import tau
from benchmarks.crossed import crossed
from benchmarks.held_out import TARGETS
from benchmarks.release import find_release


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()

    release = find_release("nats_tss-cifar10")
    labels = release.read_labels(options.shared).frame
    published = pl.read_parquet(options.shared / "benchmarks" / "nats_tss_hardware.parquet")
    isomorphism_class = dict(published.select("arch", "isomorphism_class").iter_rows())
    classes: dict[str, dict[int, int]] = defaultdict(dict)
    for row, (id_, arch) in enumerate(labels.select("id", "arch").iter_rows()):
        classes[id_].setdefault(isomorphism_class[arch], row)
    several = [[*rows.values()] for rows in classes.values() if len(rows) > 1]
    rng = random.Random(0)
    pairs = [np.array([rng.sample(rows, 2) for rows in several]) for _ in range(options.draws)]
    data, predicted = crossed(release, options.shared)
    place = {id_: row for row, id_ in enumerate(data.ids)}
    function = np.array([place[id_] for id_ in labels["id"]])
    print(f"{len(several)} functions with members of two isomorphism classes, {len(pairs)} draws")
    print(f"{'target':28s} {'other run':>9s} {'forests':>7s}")
    for target in TARGETS:
        label = labels[target].to_numpy()
        value = predicted.value[function, data.targets.index(target)]
        scores = [
            (tau(label[one], label[other]), tau(label[one], value[one]))
            for one, other in (each.T for each in pairs)
        ]
        other_run, forests = np.mean(scores, axis=0)
        print(f"{target:28s} {other_run:9.3f} {forests:7.3f}")


if __name__ == "__main__":
    main()
