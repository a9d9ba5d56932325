"""What label noise allows: ``python -m benchmarks.twins``.

Twins compute the same function and were trained apart. Kendall tau between the labels of one twin
and of another, over functions, is what training once more would score as a predictor. Robust
labels were measured once an isomorphism class and copied, so twins are taken from two classes.
"""

import argparse
import random
from collections import defaultdict
from pathlib import Path

from scipy.stats import kendalltau

from benchmarks.held_out import TARGETS
from benchmarks.release import find_release
from models.spaces.nats_tss import isomorphism_form, parse_cell


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()

    labels = find_release("nats_tss", "cifar10").read_labels(options.shared).frame
    classes: dict[str, dict[str, int]] = defaultdict(dict)
    for row, (id_, arch) in enumerate(labels.select("id", "arch").iter_rows()):
        classes[id_].setdefault(isomorphism_form(parse_cell(arch)), row)
    several = [[*rows.values()] for rows in classes.values() if len(rows) > 1]
    rng = random.Random(0)
    draws = [[rng.sample(rows, 2) for rows in several] for _ in range(options.draws)]
    print(f"{len(several)} functions with twins of two isomorphism classes, {len(draws)} draws")
    for target in TARGETS:
        label = labels[target].to_numpy()
        taus = [
            kendalltau(*zip(*((label[a], label[b]) for a, b in pairs), strict=True)).statistic
            for pairs in draws
        ]
        print(f"{target:28s} {sum(taus) / len(taus):.3f}")


if __name__ == "__main__":
    main()
