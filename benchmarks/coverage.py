"""Measure coverage in each third of the predicted range: ``python -m benchmarks.coverage``.

For clean accuracy in every released bundle of one space: forests with the bundle's configuration
predict each fifth of the equivalence classes from the others, and the 90% intervals of a fifth are
calibrated on the others. Thirds hold equally many classes, ordered by the prediction. The width is
the median of a third, in percentage points.
"""

import argparse
from pathlib import Path

import numpy as np

from acorn.learning.train import LEVEL
from benchmarks.crossed import crossed
from benchmarks.release import RELEASES

TARGET = "clean"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("names", nargs="*", help="bundles; all of one space when none is named")
    options = parser.parse_args()
    print(f"{'bundle':24s} {'n':>6s}   coverage (width) in the lower, middle and upper third")
    for release in RELEASES:
        wanted = not options.names or release.name in options.names
        if not release.labels or not wanted:
            continue
        data, predicted = crossed(release, options.shared)
        column = data.targets.index(TARGET)
        half = predicted.half_widths(data, LEVEL)
        y, value, half = (each[:, column] for each in (data.Y, predicted.value, half))
        covered = np.abs(y - value) <= half
        thirds = np.array_split(np.argsort(value, kind="stable"), 3)
        shown = "   ".join(
            f"{covered[third].mean():.3f} ({np.median(2 * half[third]):.2f})" for third in thirds
        )
        print(f"{release.name:24s} {len(y):6d}   {shown}", flush=True)


if __name__ == "__main__":
    main()
