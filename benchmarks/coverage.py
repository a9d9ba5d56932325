"""Coverage in each third of the predicted range: ``python -m benchmarks.coverage``.

For clean accuracy in every released bundle of one space: forests of the bundle's own configuration
predict each fifth of the functions from the others (clean accuracy alone, where the bundle learns
targets together), and 90% intervals of a fifth are calibrated on the others. Thirds hold equally
many functions, ordered by the prediction. The width is the median of a third, in percent points.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.release import RELEASED, RELEASES, sources
from models.forests import Bundle
from models.forests.bundle import bounded
from models.forests.intervals import Intervals
from models.spaces import UNIVERSAL
from training.growing import Configuration, grow
from training.labels import read_labels
from training.search import FINAL_FOLDS
from training.splits import folds

TARGET = "clean"
LEVEL = 0.9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    options = parser.parse_args()
    print(f"{'bundle':24s} {'n':>6s}   coverage (width) in the lower, middle and upper third")
    for release in RELEASES:
        if release.space == UNIVERSAL:
            continue
        bundle = Bundle.load(RELEASED / release.name)
        labels = read_labels(
            sources(release, options.shared / "benchmarks"),
            space=release.space,
            dataset=release.dataset,
        ).by_function()
        labels = labels.only(set(bundle.table.ids))
        ids = labels.ids
        X = bounded(bundle.table.matrix(bundle.manifest.features, ids))
        y = labels.matrix([TARGET])
        found = {k: v for k, v in bundle.manifest.parameters.items() if k != "seed"}
        configuration = Configuration(**found).but(composition="joint")
        fold = folds(ids, n_folds=FINAL_FOLDS)
        value, spread = np.empty((2, *y.shape))
        every = range(X.shape[1])
        for out in range(FINAL_FOLDS):
            own = fold == out
            forest = grow(X[~own], y[~own], [(0,)], every, configuration, seed=0, n_jobs=-1)
            value[own], spread[own] = forest.distribution(X[own], [0])
        covered, width = np.empty((2, len(y)))
        for out in range(FINAL_FOLDS):
            own = fold == out
            intervals = Intervals.fit((y - value)[~own], value[~own], spread[~own])
            half = intervals.half_width(value[own], spread[own], LEVEL, [0])[:, 0]
            covered[own] = np.abs((y - value)[own, 0]) <= half
            width[own] = 2 * half
        thirds = np.array_split(np.argsort(value[:, 0], kind="stable"), 3)
        shown = "   ".join(
            f"{covered[third].mean():.3f} ({np.median(width[third]):.2f})" for third in thirds
        )
        print(f"{release.name:24s} {len(y):6d}   {shown}", flush=True)


if __name__ == "__main__":
    main()
