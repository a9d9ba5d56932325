"""Compare search methods on spaces with a known front: ``python -m benchmarks.search``.

Share of the hypervolume of the true front after a number of evaluations, for NSGA-II, aging
evolution (Real et al., 2019, on ranks of non-domination) and random search. Mean and minimum of
several seeds.
"""

import argparse
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import moocore
import numpy as np
import polars as pl

from acorn.forests import Bundle
from acorn.nas.objectives import EvolutionSettings, Objectives
from acorn.pareto import pareto_front
from acorn.spaces import Space, get_space
from training.features.compute import select_architectures
from training.nas.evaluator import ArchitectureEvaluator
from training.nas.pareto_search import evolve

RELEASED = Path("models/released")
TASKS = (
    ("nats_tss-cifar10", ("clean", "pgd_linf_1.0")),
    ("nats_tss-cifar10", ("clean", "pgd_linf_1.0", "params")),
    ("nats_sss-cifar10", ("clean", "params")),
)
EVALUATIONS = (200, 400, 800)


class Known:
    """An evaluator that reads a table."""

    def __init__(self, evaluator: ArchitectureEvaluator, space: Space) -> None:
        self.frame = evaluator.evaluate(select_architectures(space, "all"))
        self._row = {arch: row for row, arch in enumerate(self.frame["arch"])}
        self.space, self.objectives = space, evaluator.objectives
        self.cost = evaluator.cost

    def evaluate(self, canonicals: list[str]) -> pl.DataFrame:
        """Return the rows of these architectures."""
        return self.frame[[self._row[each] for each in canonicals]]


def aging(space: Space, known: Known, objectives: Objectives, n: int, seed: int) -> pl.DataFrame:
    """Aging evolution: mutate the best of a sample, and remove the oldest member."""
    rng = random.Random(seed)
    archs = space.sample(40, seed=seed)
    seen = {space.parse(arch).canonical for arch in archs}
    alive = list(archs)
    while len(seen) < n:
        sample = rng.sample(alive, 10)
        frame = known.evaluate([space.parse(arch).canonical for arch in sample])
        best = np.sort(pareto_front(objectives.values(frame)))
        child = space.mutate(sample[rng.choice(best)], seed=rng.randrange(2**32))
        seen.add(space.parse(child).canonical)
        alive = [*alive[1:], child]
    return known.evaluate(sorted(seen))


def drawn(space: Space, known: Known, n: int, seed: int) -> pl.DataFrame:
    """Random search."""
    canonicals = dict.fromkeys(space.parse(a).canonical for a in space.sample(4 * n, seed=seed))
    return known.evaluate([*canonicals][:n])


def compare(name: str, names: tuple[str, ...], seeds: int) -> None:
    """Print the shares that each search reaches with one bundle."""
    bundle = Bundle.load(RELEASED / name)
    space, objectives = get_space(bundle.space), Objectives(names)
    evaluator = ArchitectureEvaluator(bundle, space, objectives, interval=0.9, store=Path("absent"))
    known = Known(evaluator, space)
    every = objectives.values(known.frame)
    low, span = every.min(axis=0), np.ptp(every, axis=0)

    def volume(frame: pl.DataFrame) -> float:
        scaled = (objectives.values(frame) - low) / span
        return float(moocore.hypervolume(-scaled, ref=[0.0] * scaled.shape[1]))

    def nsga2(n: int, seed: int) -> pl.DataFrame:
        settings = EvolutionSettings(evaluations=n, seed=seed)
        return evolve(known, settings)  # type: ignore[arg-type] # has what it calls

    searches: dict[str, Callable[[int, int], pl.DataFrame]] = {
        "NSGA-II": nsga2,
        "aging": partial(aging, space, known, objectives),
        "random": partial(drawn, space, known),
    }
    whole = volume(known.frame)
    for method, run in searches.items():
        shares = np.array(
            [[volume(run(n, seed)) / whole for n in EVALUATIONS] for seed in range(seeds)]
        )
        cells = " | ".join(
            f"{m:.4f} ({least:.4f})"
            for m, least in zip(shares.mean(axis=0), shares.min(axis=0), strict=True)
        )
        row = f"| {bundle.space} | {', '.join(names)} | {len(known.frame)} | {method} |"
        print(f"{row} {cells} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    print("| space | objectives | functions | search | " + " | ".join(map(str, EVALUATIONS)) + " |")
    print("|---" * (4 + len(EVALUATIONS)) + "|")
    for name, names in TASKS:
        compare(name, names, options.seeds)


if __name__ == "__main__":
    main()
