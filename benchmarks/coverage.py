"""Coverage in each third of the predicted range: ``python -m benchmarks.coverage``.

For clean accuracy in every released bundle of one space: forests of the bundle's own configuration
predict each fifth of the functions from the others (clean accuracy alone, where the bundle learns
targets together), and 90% intervals of a fifth are calibrated on the others. Thirds hold equally
many functions, ordered by the prediction. The width is the median of a third, in percent points.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.release import RELEASED, RELEASES
from models.forests import Bundle
from models.forests.bundle import bounded
from models.spaces import UNIVERSAL
from training.fit import half_widths
from training.growing import Configuration
from training.search import FINAL_FOLDS, Problem, cross_validate

TARGET = "clean"


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
        labels = release.read_labels(options.shared).by_function()
        labels = labels.only(set(bundle.table.ids))
        found = {k: v for k, v in bundle.manifest.parameters.items() if k != "seed"}
        configuration = Configuration(**found).but(composition="joint")
        problem = Problem(
            labels.ids,
            bounded(bundle.table.matrix(bundle.manifest.features, labels.ids)),
            [TARGET],
            labels.matrix([TARGET]),
            {configuration.features: range(len(bundle.manifest.features))},
            seed=0,
            n_jobs=-1,
        )
        predicted = cross_validate(problem, configuration, FINAL_FOLDS)
        y, value, half = (
            each[:, 0] for each in (problem.Y, predicted.value, half_widths(problem, predicted))
        )
        covered = np.abs(y - value) <= half
        thirds = np.array_split(np.argsort(value, kind="stable"), 3)
        shown = "   ".join(
            f"{covered[third].mean():.3f} ({np.median(2 * half[third]):.2f})" for third in thirds
        )
        print(f"{release.name:24s} {len(y):6d}   {shown}", flush=True)


if __name__ == "__main__":
    main()
