"""NSGA-II over architectures: what to look at when a space is too large to look at all of it.

Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE Transactions on
Evolutionary Computation 6(2), 2002. Children are mutations only, since spaces have no crossover.
A network's cost is known without a prediction, so one beyond the limits is not even looked at.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import polars as pl
from deap import base, tools

from acorn.errors import InputError
from acorn.spaces import Space
from training.nas.evaluator import ArchitectureEvaluator
from training.nas.objectives import EvolutionSettings, Objectives
from training.seeding import seeded

TRIES = 10_000
"""Architectures that may be drawn, or changed, in vain before a search gives up."""


def evolve(
    space: Space,
    evaluator: ArchitectureEvaluator,
    objectives: Objectives,
    settings: EvolutionSettings,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> pl.DataFrame:
    """ArchitectureEvaluator functions, generation by generation, each once.

    Returns
    -------
    polars.DataFrame
        Rows of :meth:`~training.nas.evaluator.ArchitectureEvaluator.evaluate`, one an
        architecture that was evaluated.

    Raises
    ------
    InputError
        If hardly any architecture keeps within the limits, or the space cannot be sampled.
    """
    individual = _individual(len(objectives.names))
    seen: set[str] = set()
    frames: list[pl.DataFrame] = []

    def judged(archs: dict[str, str]) -> list[Any]:
        """ArchitectureEvaluator new functions, by their canonical forms."""
        frame = evaluator.evaluate([*archs])
        frames.append(frame)
        on_progress(len(seen), settings.evaluations)
        rows = zip(archs.values(), objectives.values(frame), strict=True)
        return [individual(arch, values) for arch, values in rows]

    with seeded(settings.seed):
        seeds = (random.randrange(2**32) for _ in count())
        first = _take(_drawn(space, seeds), space, evaluator, objectives, seen, settings.population)
        if len(first) < 4:
            raise InputError(
                f"{len(first)} of {TRIES} architectures drawn from {space.name} keep within the "
                "limits; expected more: raise them"
            )
        parents = tools.selNSGA2(judged(first), len(first) - len(first) % 4)
        while len(seen) < settings.evaluations:
            wanted = min(settings.population, settings.evaluations - len(seen))
            children = _take(
                _mutated(space, parents, seeds), space, evaluator, objectives, seen, wanted
            )
            if not children:  # everything within reach has been seen
                break
            parents = tools.selNSGA2(parents + judged(children), len(parents))
    return pl.concat(frames)


def _individual(objectives: int) -> Callable[[str, Any], Any]:
    """A class of individuals as the library wants them: with a fitness that says what is better."""

    class Fitness(base.Fitness):  # type: ignore[misc, unused-ignore]
        weights = (1.0,) * objectives

    @dataclass(eq=False)
    class Individual:
        arch: str
        fitness: Any

    return lambda arch, values: Individual(arch, Fitness(tuple(map(float, values))))


def _drawn(space: Space, seeds: Iterator[int]) -> Iterator[str]:
    most = space.size if space.size is not None else TRIES
    while True:
        yield from space.sample(min(100, most), seed=next(seeds))


def _mutated(space: Space, parents: list[Any], seeds: Iterator[int]) -> Iterator[str]:
    """Change one choice of the winners of tournaments."""
    while True:
        for parent in tools.selTournamentDCD(parents, len(parents)):
            yield space.mutate(parent.arch, seed=next(seeds))


def _take(
    archs: Iterator[str],
    space: Space,
    evaluator: ArchitectureEvaluator,
    objectives: Objectives,
    seen: set[str],
    wanted: int,
) -> dict[str, str]:
    """Take new functions that the limits allow, and the spelling of each by its canonical form."""
    found: dict[str, str] = {}
    for _ in range(TRIES):
        if len(found) == wanted:
            break
        arch = next(archs)
        canonical = space.parse(arch).canonical
        if canonical not in seen and objectives.affords(evaluator.cost(canonical)):
            seen.add(canonical)
            found[canonical] = arch
    return found
