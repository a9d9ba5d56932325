"""Measure searching and labelling in turn: ``python -m benchmarks.label_search``.

A search starts without a label and asks for one at a time. Printed is the distance of the best
labelled architecture to the best one of the population, in percent, mean of several seeds, after 10
to 100 labels. Beside it: labelling at random, regularised evolution (Real et al., AAAI 2019;
population 10, tournament 5; a visit costs one label), and the architectures with most parameters.

The population of ``nats_tss`` is all equivalence classes with labels, one row each, for six targets
of three datasets. The features are those of the released CIFAR-10 table: structure and thirty
proxies. Those of the other spaces are the members of ``benchmarks.few_labels``, whose edits lead to
members without a label, so that there is no evolution.
"""

import argparse
import functools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acorn.features.feature_table import FeatureTable
from acorn.spaces import get_space
from benchmarks.correlations import SPACES
from benchmarks.few_labels import Population
from training.nas.label_search import LabelSearch

SIZES = (10, 25, 40, 60, 100)
WHOLE = "nats_tss"
TARGETS = {
    "cifar10": ("clean", "adv.pgd_linf_8", "pgd_linf_1.0", "corruption_gaussian_noise"),
    "cifar100": ("clean",),
    "ImageNet16-120": ("clean",),
}
"""Targets that are searched for in the whole space, by dataset."""

MEMBERS, TOURNAMENT = 10, 5
CLEAN = "clean"
"""Name that a search knows every target by; all are percentages."""

Order = Sequence[float]
"""Labels in the order in which a search asks for them."""


@dataclass(frozen=True)
class Task:
    """A population with the labels of one target."""

    space: str
    target: str
    table: FeatureTable
    labels: Mapping[str, float]

    @property
    def archs(self) -> list[str]:
        """Canonical forms in the order of the labels."""
        return [*self.labels]


def tasks(shared: Path, spaces: Sequence[str]) -> Iterator[Task]:
    """Read the tasks of some spaces."""
    for space in spaces:
        whole = space == WHOLE
        for dataset, targets in TARGETS.items() if whole else [("cifar10", (CLEAN,))]:
            population = Population.read(
                space, shared, dataset=dataset, targets=targets, whole=whole
            )
            table = population.table(space)
            for place, target in enumerate(population.targets):
                labels = population.Y[:, place].tolist()
                values = dict(zip(population.archs, labels, strict=True))
                yield Task(space, f"{dataset} {target}", table, values)


def acorn(task: Task, seed: int) -> Order:
    """Search with the learner for few labels."""
    search = LabelSearch(task.table, task.space, [CLEAN], seed)
    search.run(lambda arch: {CLEAN: task.labels[arch]}, SIZES[-1])
    return [task.labels[arch] for arch in search.labels]


def at_random(task: Task, seed: int) -> Order:
    """Label members at random."""
    values = [*task.labels.values()]
    return np.random.default_rng(seed).permutation(values)[: SIZES[-1]].tolist()


def largest(task: Task, seed: int) -> Order:  # noqa: ARG001
    """Label the largest first."""
    ids = [f"{task.space}/{arch}" for arch in task.archs]
    size = task.table.matrix(["graph.log_params"], ids)[:, 0]
    values = np.array([*task.labels.values()])
    return values[np.argsort(-size, kind="stable")][: SIZES[-1]].tolist()


def evolution(task: Task, seed: int) -> Order:
    """Regularised evolution among the members that have labels."""
    space, rng = get_space(task.space), np.random.default_rng(seed)
    order: list[float] = []
    alive: deque[tuple[float, str]] = deque(maxlen=MEMBERS)
    while len(order) < SIZES[-1]:
        if len(alive) < MEMBERS:
            arch = task.archs[rng.integers(len(task.archs))]
        else:
            contestants = rng.choice(MEMBERS, TOURNAMENT, replace=False)
            _, parent = max(alive[place] for place in contestants)
            edited = space.mutate(parent, seed=int(rng.integers(2**31)))
            arch = space.parse(edited).canonical
            if arch not in task.labels:
                continue
        order.append(task.labels[arch])
        alive.append((order[-1], arch))
    return order


SEARCHES: Mapping[str, Callable[[Task, int], Order]] = {
    "random": at_random,
    "largest": largest,
    "evolution": evolution,
    "acorn": acorn,
}


def distances(task: Task, order: Order) -> list[float]:
    """Distance to the best member after each number of labels."""
    best = max(task.labels.values())
    return [best - max(order[:size]) for size in SIZES]


def main() -> None:
    """Parse options, and print one row for each task and search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--spaces", nargs="*", default=SPACES)
    options = parser.parse_args()
    print(f"{'space':15s}{'target':34s}{'best':>8s} {'search':10s}", *(f"{n:7d}" for n in SIZES))
    for task in tasks(options.shared, options.spaces):
        for name, search in SEARCHES.items():
            if search is evolution and task.space != WHOLE:
                continue
            run = functools.partial(search, task)
            rows = [distances(task, run(seed)) for seed in range(options.draws)]
            shown = "".join(f"{value:8.3f}" for value in np.mean(rows, axis=0))
            best = max(task.labels.values())
            print(f"{task.space:15s}{task.target:34s}{best:8.3f} {name:10s}{shown}", flush=True)


if __name__ == "__main__":
    main()
