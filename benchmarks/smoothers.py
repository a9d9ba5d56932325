"""Compare smoothing models: ``python -m benchmarks.smoothers [BUNDLE]``.

Cross-validation by equivalence class of the smooth labels, before a forest is trained on them: the
Gaussian process alone, the networks alone, and their mean as in ``acorn train``. With ``--folds
20`` each class is predicted from 95% of the labels, nearly as many as for a released forest.
"""

import argparse
from pathlib import Path

import numpy as np

from acorn.learning.evaluation_metrics import tau
from acorn.learning.smoothing.expected import NETWORKS_SHARE, expected_scores
from benchmarks.crossed import training_data_of
from benchmarks.held_out import TARGETS
from benchmarks.release import find_release

SHARES = {"process": 0.0, "networks": 1.0, "both": NETWORKS_SHARE}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", default="nats_tss-cifar10")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()

    release = find_release(options.bundle)
    data, configuration = training_data_of(release, options.shared)
    population, columns = data.population, data.columns[configuration.features]
    if population is None or not population.covers(columns):
        parser.error(f"got {release.name}; expected a bundle of a space that can be listed")
    fold = data.folds(options.folds)
    found = {name: np.full(data.Y.shape, np.nan) for name in SHARES}
    for f in range(options.folds):
        rows, own = fold != f, fold == f
        expected = expected_scores(
            population.X[:, columns],
            population.place[rows],
            data.Y[rows][:, data.groups.informative],
            data.complete_companions(rows),
            seed=data.seed,
        )
        for name, share in SHARES.items():
            value = expected.smoothed(share).value[population.place[own]]
            found[name][np.ix_(own, data.groups.informative)] = value
    print(f"{release.name}, {len(data.ids)} functions, {options.folds} folds")
    print(f"{'target':28s}" + "".join(f" {name:>8s}" for name in SHARES))
    for target in (target for target in TARGETS if target in data.targets):
        t = data.targets.index(target)
        scores = (tau(data.Y[:, t], value[:, t]) for value in found.values())
        print(f"{target:28s}" + "".join(f" {score:8.4f}" for score in scores))


if __name__ == "__main__":
    main()
