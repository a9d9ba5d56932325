"""Measure the value of proxies with few labels: ``python -m benchmarks.proxies_few_labels``.

Kendall tau on held-out equivalence classes, one row each, on each labelled space, with 25 to 100
labelled classes (mean of many draws, the same for all columns): trees on the classic proxies, on
all proxies, on the structure columns of the space, and on these with proxies. The best single proxy
needs no label, but is known only with hindsight.

The proxies are read from the tables in ``benchmarks/features``: about 500 classes of each space.
"""

import argparse
from pathlib import Path

import numpy as np

from acorn.features.feature_table import FeatureTable
from acorn.forests import bounded
from acorn.learning.evaluation_metrics import tau
from acorn.learning.fitting import Configuration, fit_forests
from acorn.proxies import SETS, list_proxies
from acorn.spaces import get_space
from benchmarks.correlations import SPACES, TARGETS, path
from benchmarks.release import find_release

SIZES = (25, 50, 100)
HOW = Configuration()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()

    every, classic = list_proxies(), sorted(SETS["classic"])
    head = ("classic", "all", "own", "own+classic", "own+all")
    print(f"{'space':15s}{'target':16s}{'labels':>6s} " + "".join(f"{n:>12s}" for n in head))
    for name in SPACES:
        table = FeatureTable.read(path(name))
        labels = find_release(f"{name}-cifar10").read_labels(options.shared).by_function()
        labels = labels.only(set(table.ids))
        own = [[*get_space(name).columns(each.partition("/")[2]).values()] for each in labels.ids]
        structure = np.array(own, np.float32)
        few, many = (bounded(table.matrix(p, labels.ids)) for p in (classic, every))
        beside = [np.hstack([structure, proxies]) for proxies in (few, many)]
        features = (few, many, structure, *beside)
        for target in (each for each in TARGETS if each in labels.targets):
            y = labels.matrix([target])
            single = [abs(tau(y[:, 0], np.nan_to_num(x, nan=-1e9))) for x in many.T]
            for size in SIZES:
                found = np.empty((options.draws, len(features)))
                for draw in range(options.draws):
                    order = np.random.default_rng(draw).permutation(len(y))
                    train, test = order[:size], order[size:]
                    for place, X in enumerate(features):
                        columns = range(X.shape[1])
                        forest = fit_forests(
                            X[train], y[train], [(0,)], columns, HOW, seed=draw, n_jobs=1
                        )
                        value = forest.distribution(X[test], [0])[0][:, 0]
                        found[draw, place] = tau(y[test, 0], value)
                shown = "".join(f"{each:12.3f}" for each in found.mean(axis=0))
                print(f"{name:15s}{target:16s}{size:6d} {shown}", flush=True)
            best = int(np.argmax(single))
            print(
                f"{name:15s}{target:16s}     0 best single proxy: {every[best]} {single[best]:.3f}"
            )


if __name__ == "__main__":
    main()
