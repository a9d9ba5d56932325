"""NSGA-II over architectures, for spaces that are too large to evaluate completely.

Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE Transactions on
Evolutionary Computation 6(2), 2002. All children are mutations, since spaces have no crossover. The
cost of a network is known without a prediction, so networks beyond the limits are skipped.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import polars as pl
from deap import base, tools

from acorn.errors import InputError
from acorn.spaces import Space
from training.features.parallel import OnProgress, no_progress
from training.nas.evaluator import ArchitectureEvaluator
from training.nas.objectives import EvolutionSettings, Objectives
from training.seeding import seeded

TRIES = 10_000
"""Number of architectures without a new one among them after which a search stops."""


@dataclass(eq=False)
class _Individual:
    """An architecture with its fitness, in the attributes that the library reads."""

    arch: str
    fitness: Any


def evolve(
    space: Space,
    evaluator: ArchitectureEvaluator,
    objectives: Objectives,
    settings: EvolutionSettings,
    *,
    on_progress: OnProgress = no_progress,
) -> pl.DataFrame:
    """Evaluate architectures generation by generation, each once.

    Parameters
    ----------
    space : Space
        Space to search.
    evaluator : ArchitectureEvaluator
        Evaluates the candidates.
    objectives : Objectives
        What to optimise, and within which limits.
    settings : EvolutionSettings
        Size of the search, and its seed.
    on_progress : callable, optional
        Called with (done, total) evaluations.

    Returns
    -------
    polars.DataFrame
        Rows of :meth:`~training.nas.evaluator.ArchitectureEvaluator.evaluate`, one for each
        architecture that was evaluated.

    Raises
    ------
    InputError
        If hardly any architecture keeps within the limits, or the space cannot be sampled.
    """

    class Fitness(base.Fitness):  # type: ignore[misc, unused-ignore]
        weights = (1.0,) * len(objectives.names)

    seen: set[str] = set()
    frames: list[pl.DataFrame] = []

    def evaluated(archs: Iterator[str], wanted: int) -> list[_Individual]:
        """Evaluate the next new architectures that keep within the limits."""
        arch_of: dict[str, str] = {}  # architecture as drawn, by canonical form
        for _ in range(TRIES):
            if len(arch_of) == wanted:
                break
            arch = next(archs)
            canonical = space.parse(arch).canonical
            if canonical not in seen and objectives.affords(evaluator.cost(canonical)):
                seen.add(canonical)
                arch_of[canonical] = arch
        if not arch_of:
            return []
        frame = evaluator.evaluate([*arch_of])
        frames.append(frame)
        on_progress(len(seen), settings.evaluations)
        rows = zip(arch_of.values(), objectives.values(frame), strict=True)
        return [_Individual(arch, Fitness(tuple(map(float, values)))) for arch, values in rows]

    with seeded(settings.seed):
        seeds = (random.randrange(2**32) for _ in count())
        first = evaluated(_drawn(space, seeds), settings.population)
        if len(first) < 4:
            raise InputError(
                f"{len(first)} of {TRIES} architectures drawn from {space.name} keep within the "
                "limits; expected more: raise them"
            )
        parents = tools.selNSGA2(first, len(first) - len(first) % 4)
        while len(seen) < settings.evaluations:
            wanted = min(settings.population, settings.evaluations - len(seen))
            children = evaluated(_mutated(space, parents, seeds), wanted)
            if not children:  # all mutations have been evaluated
                break
            parents = tools.selNSGA2(parents + children, len(parents))
    return pl.concat(frames)


def _drawn(space: Space, seeds: Iterator[int]) -> Iterator[str]:
    most = space.size if space.size is not None else TRIES
    while True:
        yield from space.sample(min(100, most), seed=next(seeds))


def _mutated(space: Space, parents: list[_Individual], seeds: Iterator[int]) -> Iterator[str]:
    """Change one choice of the winners of tournaments."""
    while True:
        for parent in tools.selTournamentDCD(parents, len(parents)):
            yield space.mutate(parent.arch, seed=next(seeds))
