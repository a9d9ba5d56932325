"""The universal forest on a space that it never saw: ``python -m benchmarks.leave_one_out``.

Each labelled space is left out in turn, and the forest learns from the others, with 0 to 50
labelled functions of the left-out space added (mean of several draws). Kendall tau, mean absolute
error and coverage of the 90% intervals on the other functions of the left-out space; the same of
accuracy relative to the median network of each space, as if that one's were known; beside them
the tau of the number of parameters and of the best single proxy, chosen with hindsight. Intervals
are calibrated as in the bundle: on the spaces that are there, each left out in turn.
"""

import argparse
from pathlib import Path

import numpy as np

from acorn.features.feature_table import FeatureTable
from acorn.forests import Bundle, Intervals, bounded
from acorn.learning.evaluation_metrics import tau
from acorn.learning.feature_sets import feature_sets
from acorn.learning.fitting import Configuration, fit_forests
from acorn.proxies import list_proxies
from acorn.spaces import UNIVERSAL
from benchmarks.crossed import configuration_of
from benchmarks.release import RELEASED, find_release

ADDED = (0, 10, 25, 50)
TARGET = "clean"


def calibrated(
    X: np.ndarray, y: np.ndarray, space: np.ndarray, columns: list[int], how: Configuration
) -> Intervals:
    """Intervals from the residuals of spaces that the forest did not see."""
    residual, value, spread = np.empty((3, len(y), 1))
    for name in np.unique(space):
        own = space == name
        forest = fit_forests(X[~own], y[~own, None], [(0,)], columns, how, seed=0, n_jobs=-1)
        value[own], spread[own] = forest.distribution(X[own], [0])
        residual[own] = y[own, None] - value[own]
    return Intervals.fit(residual, value, spread)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()

    release = find_release(f"{UNIVERSAL}-cifar10")
    how = configuration_of(Bundle.load(RELEASED / release.name))
    table = FeatureTable.read(RELEASED / release.name / "features.parquet")
    labels = release.read_labels(options.shared).by_function()
    labels = labels.only(set(table.ids))
    names = table.feature_names
    X, y = bounded(table.matrix(names, labels.ids)), labels.matrix([TARGET])[:, 0]
    space = np.array([id_.partition("/")[0] for id_ in labels.ids])
    columns = feature_sets(names)[how.features]
    proxies = [names.index(name) for name in list_proxies() if name in names]
    print(f"forest: {how}")
    relative = y - np.array([np.median(y[space == each]) for each in space])
    for left in np.unique(space):
        own = np.flatnonzero(space == left)
        others = np.flatnonzero(space != left)
        single = {names[c]: abs(tau(y[own], np.nan_to_num(X[own, c], nan=-1e9))) for c in proxies}
        best = max(single, key=lambda name: single[name])
        print(
            f"{left} left out: {len(own)} functions; params {single['params']:.3f}, "
            f"best single proxy {best} {single[best]:.3f}"
        )
        forest = fit_forests(
            X[others], relative[others, None], [(0,)], columns, how, seed=0, n_jobs=-1
        )
        value = forest.distribution(X[own], [0])[0][:, 0]
        print(
            f"  relative to each space's median network: tau {tau(relative[own], value):.3f}   "
            f"MAE {np.abs(relative[own] - value).mean():5.2f}"
        )
        for added in ADDED:
            found = []
            for draw in range(options.draws if added else 1):
                order = np.random.default_rng(draw).permutation(own)
                train, test = np.concatenate([others, order[:added]]), order[added:]
                forest = fit_forests(
                    X[train], y[train, None], [(0,)], columns, how, seed=0, n_jobs=-1
                )
                value, spread = forest.distribution(X[test], [0])
                intervals = calibrated(X[train], y[train], space[train], columns, how)
                half = intervals.half_width(value, spread, 0.9, [0])[:, 0]
                error = np.abs(y[test] - value[:, 0])
                found.append((tau(y[test], value[:, 0]), error.mean(), (error <= half).mean()))
            mean = np.mean(found, axis=0)
            print(
                f"  {added:3d} labels added: tau {mean[0]:.3f}   MAE {mean[1]:5.2f}   "
                f"coverage {mean[2]:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
