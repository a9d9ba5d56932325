"""What smooth labels are made of: ``python -m benchmarks.smoothers [BUNDLE]``.

Cross-validation by function of the smooth labels themselves, before any forest is grown on them: by
the Gaussian process alone, by the networks alone, and by both as ``acorn train`` has them. With
``--folds 20`` each function is told from 95% of the others, nearly as many labels as a released
forest has.
"""

import argparse
from pathlib import Path

import numpy as np

from acorn.learning.metrics import tau
from acorn.learning.smoothing.expected import NETWORKS_SHARE, expect
from benchmarks.crossed import problem_of
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
    problem, configuration = problem_of(release, options.shared)
    pool, columns = problem.pool, problem.columns[configuration.features]
    if pool is None or not pool.covers(columns):
        parser.error(f"got {release.name}; expected a bundle of a space that can be listed")
    fold = problem.folds(options.folds)
    found = {name: np.full(problem.Y.shape, np.nan) for name in SHARES}
    for f in range(options.folds):
        rows, own = fold != f, fold == f
        expected = expect(
            pool.X[:, columns],
            pool.place[rows],
            problem.Y[rows][:, problem.telling],
            problem.beside(rows),
            seed=problem.seed,
        )
        for name, share in SHARES.items():
            value = expected.smooth(share).value[pool.place[own]]
            found[name][np.ix_(own, problem.telling)] = value
    print(f"{release.name}, {len(problem.ids)} functions, {options.folds} folds")
    print(f"{'target':28s}" + "".join(f" {name:>8s}" for name in SHARES))
    for target in (target for target in TARGETS if target in problem.targets):
        t = problem.targets.index(target)
        scores = (tau(problem.Y[:, t], value[:, t]) for value in found.values())
        print(f"{target:28s}" + "".join(f" {score:8.4f}" for score in scores))


if __name__ == "__main__":
    main()
