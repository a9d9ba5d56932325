"""Measure the learner for few labels: ``python -m benchmarks.few_labels``.

For each labelled space a population of about 520 equivalence classes has features: structure
columns (of the layer graph and of the space) and all proxies (of ``benchmarks/features``). A
draw labels 10 to 100 of them, and the others are scored: Kendall's tau, the share of labels inside
their 90% intervals, and the mean width of these. Means of many draws, the same for all columns.
Without labels the members are ranked by the prior alone. Beside it: the parameter count, and
extremely randomised trees on the same features, which trained bundles were before there was a
learner for few labels. The last table has robust targets with few labels beside 100 clean ones.

The settings of the learner are the same on all spaces.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acorn.datasets import get_dataset
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.forests import Intervals, bounded
from acorn.learning.evaluation_metrics import tau
from acorn.learning.few_labels import Inputs, estimate, prior_ranks
from acorn.learning.few_labels.columns import SIZE_PROXIES, column_groups
from acorn.learning.fitting import Configuration, fit_forests
from acorn.proxies import list_proxies
from acorn.spaces import get_space
from benchmarks.correlations import SPACES, TABLES, path
from benchmarks.release import RELEASED, find_release

SIZES = (10, 25, 50, 100)
LEVEL = 0.9
STRUCTURE_TABLE = {"nats_sss": TABLES / "nats_sss-structure.parquet"}
"""Tables of structure columns; others are in the bundle of the space."""

MOSTLY_MISSING = 0.5
"""Share of missing values from which a feature of a whole space is left out."""

ROBUST = ("pgd_linf_1.0", "adv.pgd_linf_8")
CLEAN_LABELS = 100

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Features and labels of the members of a space."""

    archs: list[str]
    names: list[str]
    X: NDArray[np.float32]
    targets: Sequence[str]
    Y: Floats

    @cached_property
    def inputs(self) -> Inputs:
        """What the learner reads."""
        return Inputs.of(self.X, self.names)

    @classmethod
    def read(
        cls,
        space: str,
        shared: Path,
        *,
        dataset: str = "cifar10",
        targets: Sequence[str] = ("clean", *ROBUST),
        whole: bool = False,
    ) -> "Population":
        """Read the members that have labels and proxies: of ``benchmarks/features``, or all.

        Of the whole space, features that most members lack are left out; size is counted.
        """
        released = RELEASED / f"{space}-cifar10" / "features.parquet"
        table = released if whole else STRUCTURE_TABLE.get(space, released)
        structure = FeatureTable.read(table)
        proxies = structure if whole else FeatureTable.read(path(space))
        labels = find_release(f"{space}-{dataset}").read_labels(shared).by_function()
        labels = labels.only(set(proxies.ids))
        archs = [id_.partition("/")[2] for id_ in labels.ids]
        graph = [name for name in structure.feature_names if name.startswith("graph.")]
        columns = [get_space(space).columns(arch) for arch in archs]
        measured = [name for name in list_proxies() if name in proxies.feature_names]
        parts = (
            structure.matrix(graph, labels.ids),
            np.array([[*values.values()] for values in columns], np.float32),
            proxies.matrix(measured, labels.ids),
        )
        targets = [name for name in targets if name in labels.targets]
        names, X = [*graph, *columns[0], *measured], np.hstack(parts)
        if whole:
            kept = np.flatnonzero(np.isnan(X).mean(axis=0) < MOSTLY_MISSING)
            names, X = [names[column] for column in kept], X[:, kept]
            if not {*SIZE_PROXIES} & {*names}:
                costs = [get_space(space).cost(arch, get_dataset(dataset)) for arch in archs]
                names = [*names, *SIZE_PROXIES]
                X = np.column_stack([X, [(cost.params, cost.flops) for cost in costs]])
        X = bounded(X.astype(np.float32))
        return cls(archs, names, X, targets, labels.matrix(targets))

    def table(self, space: str) -> FeatureTable:
        """Arrange the features as a table."""
        rows = [
            FeatureRow(f"{space}/{arch}", dict(zip(self.names, map(float, row), strict=True)))
            for arch, row in zip(self.archs, self.X, strict=True)
        ]
        return FeatureTable.from_rows(rows, ProxySettings.embedded("cifar10", seed=0))

    def with_proxies(self, proxies: Sequence[str] = ()) -> "Population":
        """Leave out all proxies but some."""
        structure, _ = column_groups(self.names)
        kept = [*structure, *(self.names.index(name) for name in proxies)]
        names = [self.names[place] for place in kept]
        return Population(self.archs, names, self.X[:, kept], self.targets, self.Y)

    def draws(
        self, n: int, draws: int
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.bool_]]]:
        """Draw rows to label; the third value marks the others."""
        for draw in range(draws):
            order = np.random.default_rng(draw).permutation(len(self.X))
            yield draw, order[:n], np.isin(np.arange(len(self.X)), order[n:])


def few(
    population: Population, labelled: NDArray[np.int64], Y: Floats, draw: int
) -> tuple[Floats, Floats]:
    """Values, and half the widths of their intervals, of every member and target."""
    found = estimate(population.inputs, labelled, Y, seed=draw)
    intervals = Intervals.of_student(found.correction, found.freedom)
    half = intervals.half_width(found.value, found.deviation, LEVEL, range(Y.shape[1]))
    return found.value, half


def trees(population: Population, labelled: NDArray[np.int64], y: Floats, draw: int) -> Floats:
    """Values of extremely randomised trees on the labels."""
    columns = range(population.X.shape[1])
    forest = fit_forests(
        population.X[labelled], y, [(0,)], columns, Configuration(), seed=draw, n_jobs=1
    )
    return forest.distribution(population.X, [0])[0][:, 0]


def measure(space: str, both: Population, draws: int) -> None:
    """Print one row for each number of labels."""
    y = both.Y[:, 0]
    params = both.X[:, both.names.index("params")].astype(float)
    for name, population in {"structure": both.with_proxies(), "both": both}.items():
        value = tau(y, prior_ranks(population.X, population.names))
        print(f"{space:15s}{name:10s}{0:7d}{value:8.3f}{tau(y, params):8.3f}", flush=True)
        for size in SIZES:
            rows = []
            for draw, labelled, rest in population.draws(size, draws):
                labels = population.Y[labelled][:, :1]
                values, half = few(population, labelled, labels, draw)
                scored = (values[:, 0], params, trees(population, labelled, labels, draw))
                error = np.abs(values[:, 0] - y)[rest]
                covered = error <= half[rest, 0]
                taus = [tau(y[rest], value[rest]) for value in scored]
                rows.append((*taus, covered.mean(), 2 * half[rest, 0].mean(), error.mean()))
            means = np.mean(rows, axis=0)
            shown = "".join(f"{mean:8.3f}" for mean in means)
            print(f"{space:15s}{name:10s}{size:7d}{shown}", flush=True)


def measure_robust(space: str, population: Population, draws: int) -> None:
    """Print tau of robust targets, with and without labels of clean accuracy."""
    for target in population.targets[1:]:
        place = population.targets.index(target)
        for size in (10, 25):
            rows = []
            for draw, labelled, _ in population.draws(CLEAN_LABELS, draws):
                robust = labelled[:size]
                rest = ~np.isin(np.arange(len(population.X)), robust)
                Y = population.Y[labelled][:, [place, 0]].copy()
                Y[size:, 0] = np.nan
                y = population.Y[rest, place]
                together, half = few(population, labelled, Y, draw)
                apart, _ = few(population, robust, Y[:size, :1], draw)
                covered = np.abs(together[rest, 0] - y) <= half[rest, 0]
                rows.append((tau(y, together[rest, 0]), tau(y, apart[rest, 0]), covered.mean()))
            shown = "".join(f"{mean:14.3f}" for mean in np.mean(rows, axis=0))
            print(f"{space:15s}{target:16s}{size:7d}{shown}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--spaces", nargs="*", default=SPACES)
    options = parser.parse_args()

    populations = {space: Population.read(space, options.shared) for space in options.spaces}
    columns = ("tau", "params", "trees", "cover", "width", "MAE")
    head = "".join(f"{column:>8s}" for column in columns)
    print(f"{'space':15s}{'features':10s}{'labels':>7s}{head}")
    for space, population in populations.items():
        measure(space, population, options.draws)
    robust_columns = ("with clean", "without", "cover")
    head = "".join(f"{column:>14s}" for column in robust_columns)
    print(f"\n{'space':15s}{'target':16s}{'labels':>7s}{head}")
    for space, population in populations.items():
        measure_robust(space, population.with_proxies(), options.draws)


if __name__ == "__main__":
    main()
