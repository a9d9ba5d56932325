"""Compare strategies of active learning: ``python -m benchmarks.suggest``.

Kendall tau on held-out equivalence classes of ``nats_tss`` for a forest trained on the labels that
a strategy has chosen: first 25, then 50, 100 and 200, with the labels known so far. Mean over draws
of the held-out classes and of the start.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.ensemble import ExtraTreesRegressor

from acorn.features.feature_table import FeatureTable
from acorn.forests import bounded
from acorn.learning.evaluation_metrics import tau
from acorn.learning.feature_sets import feature_sets
from acorn.proxies import SETS, list_proxies
from benchmarks.release import RELEASED, find_release
from training.active_learning.batch_selection import select_batch
from training.active_learning.kernel import Kernel, rank_transform
from training.active_learning.suggestions import feature_weights

SIZES = (25, 50, 100, 200)
TARGETS = ("clean", "pgd_linf_1.0")
HELD_OUT = 900

Rows = np.ndarray
Strategy = Callable[[Rows, Rows, int, int], Rows]


class Benchmark:
    """Features and labels of classes with both, and the strategies."""

    def __init__(self, shared: Path) -> None:
        release = find_release("nats_tss-cifar10")
        table = FeatureTable.read(RELEASED / release.name / "features.parquet")
        labels = release.read_labels(shared).by_function()
        labels = labels.only(set(table.ids))
        Y = labels.matrix(TARGETS)
        there = np.isfinite(Y).all(axis=1)
        dear = set(list_proxies()) - SETS["classic"]  # more than acorn features computes unasked
        names = [name for name in table.feature_names if name not in dear]
        X = bounded(table.matrix(names, labels.ids))[there]
        self.Y = Y[there]
        self.X = X[:, feature_sets(names)["space_and_proxies"]]
        self.Z = rank_transform(X)  # of all columns, as the command has it

    def forest(self, rows: Rows, seed: int) -> ExtraTreesRegressor:
        """Train a forest on the labels of some classes."""
        labels = self.Y[rows]
        standard = (labels - labels.mean(axis=0)) / labels.std(axis=0)
        trees = ExtraTreesRegressor(100, max_features=0.3, random_state=seed)
        return trees.fit(self.X[rows], standard)

    def random(self, _labelled: Rows, pool: Rows, n: int, _seed: int) -> Rows:
        """Choose at random."""
        return pool[:n]

    def k_center(self, labelled: Rows, pool: Rows, n: int, seed: int) -> Rows:
        """Choose repeatedly the class farthest from all chosen ones (Sener and Savarese, 2018)."""
        del seed
        chosen = list(labelled) or [int(pool[0])]
        nearest = cdist(self.Z[pool], self.Z[chosen], "sqeuclidean").min(axis=1)
        start = len(chosen) if len(labelled) else 0
        while len(chosen) - start < n:
            chosen.append(int(pool[nearest.argmax()]))
            new = cdist(self.Z[pool], self.Z[chosen[-1:]], "sqeuclidean")[:, 0]
            nearest = np.minimum(nearest, new)
        return np.array(chosen[start:])

    def uncertain(self, labelled: Rows, pool: Rows, n: int, seed: int) -> Rows:
        """Choose the largest disagreement of the trees; at first at random."""
        if not len(labelled):
            return pool[:n]
        return pool[np.argsort(-self._variance(labelled, pool, seed))[:n]]

    def uncertain_and_diverse(self, labelled: Rows, pool: Rows, n: int, seed: int) -> Rows:
        """Draw by the trees' variance times the distance to chosen classes, like k-means++."""
        if not len(labelled):
            return pool[:n]
        rng = np.random.default_rng(seed)
        weight = self._variance(labelled, pool, seed)
        nearest = cdist(self.Z[pool], self.Z[labelled], "sqeuclidean").min(axis=1)
        chosen: list[int] = []
        for _ in range(n):
            chances = weight * nearest
            chosen.append(int(rng.choice(len(pool), p=chances / chances.sum())))
            new = cdist(self.Z[pool], self.Z[pool[chosen[-1:]]], "sqeuclidean")[:, 0]
            nearest = np.minimum(nearest, new)
            nearest[chosen[-1]] = 0.0
        return pool[chosen]

    def suggest(self, labelled: Rows, pool: Rows, n: int, seed: int) -> Rows:
        """Choose as ``acorn suggest`` does, with equal weights of the features."""
        kernel = Kernel.of(self.Z, seed=seed)
        return np.array(select_batch(kernel, labelled.tolist(), pool.tolist(), n, seed=seed))

    def suggest_weighted(self, labelled: Rows, pool: Rows, n: int, seed: int) -> Rows:
        """Choose as ``acorn suggest`` does, with feature weights from a forest on known labels."""
        Z = self.Z
        if len(labelled):
            Z = Z * np.sqrt(feature_weights(Z[labelled], self.Y[labelled], seed=seed))
        kernel = Kernel.of(Z, seed=seed)
        return np.array(select_batch(kernel, labelled.tolist(), pool.tolist(), n, seed=seed))

    def _variance(self, labelled: Rows, pool: Rows, seed: int) -> np.ndarray:
        forest = self.forest(labelled, seed)
        X = self.X[pool]
        return np.stack([tree.predict(X) for tree in forest.estimators_]).var(axis=0).mean(axis=1)

    def scores(self, strategy: Strategy, draw: int) -> np.ndarray:
        """Return the tau of each target for each number of labels, shape (sizes, targets)."""
        order = np.random.default_rng(draw).permutation(len(self.X))
        held, pool = order[:HELD_OUT], order[HELD_OUT:]
        labelled = np.array([], np.int64)
        found = []
        for size in SIZES:
            new = strategy(labelled, pool, size - len(labelled), draw)
            labelled = np.concatenate([labelled, new])
            pool = pool[~np.isin(pool, new)]
            predicted = self.forest(labelled, draw).predict(self.X[held])
            found.append([tau(y, p) for y, p in zip(self.Y[held].T, predicted.T, strict=True)])
        return np.array(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    if not (options.shared / "benchmarks").is_dir():
        print(f"no label tables in {options.shared}: nothing to measure")
        return
    benchmark = Benchmark(options.shared)
    strategies: dict[str, Strategy] = {
        "random": benchmark.random,
        "acorn suggest, weighted features": benchmark.suggest_weighted,
        "acorn suggest, equal weights": benchmark.suggest,
        "k-center": benchmark.k_center,
        "most uncertain": benchmark.uncertain,
        "uncertain and diverse": benchmark.uncertain_and_diverse,
    }
    print(f"{len(benchmark.X)} functions, {HELD_OUT} held out, {options.draws} draws")
    print("| strategy | target | " + " | ".join(f"{size} labels" for size in SIZES) + " |")
    print("|---" * (2 + len(SIZES)) + "|")
    reference = None
    for name, strategy in strategies.items():
        scores = np.stack([benchmark.scores(strategy, draw) for draw in range(options.draws)])
        reference = scores if reference is None else reference
        better = (scores > reference).sum(axis=0)
        for number, target in enumerate(TARGETS):
            cells = " | ".join(
                f"{scores[:, size, number].mean():.3f} ({better[size, number]})"
                for size in range(len(SIZES))
            )
            print(f"| {name} | `{target}` | {cells} |", flush=True)
    print("In brackets: draws in which a strategy beats random choice.")


if __name__ == "__main__":
    main()
