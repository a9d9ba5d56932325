"""NSGA-II over architectures, for spaces that are too large to evaluate completely.

Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE Transactions on
Evolutionary Computation 6(2), 2002. All children are mutations, since spaces have no crossover. The
parents are the best of all architectures so far, by constraint domination. Therefore a generation
follows from what was evaluated alone: a search continues anywhere from its results.

The cost of a network is known without a prediction, so networks beyond the limits are not
evaluated.
"""

import random
from collections.abc import Callable, Collection, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from acorn.errors import InputError
from acorn.nas.candidates import can_be_drawn, has_mutations
from acorn.nas.objectives import EvolutionSettings, Objectives
from acorn.pareto import pareto_front
from acorn.spaces import Cost, Space

TRIES = 10_000
"""Architectures without enough new ones among them after which a generation ends."""

Floats = NDArray[np.float64]


def next_generation(
    space: Space,
    objectives: Objectives,
    settings: EvolutionSettings,
    cost: Callable[[str], Cost],
    evaluated: pl.DataFrame,
    tried: Collection[str] | None = None,
    *,
    tries: int = TRIES,
) -> list[str]:
    """Choose the architectures to evaluate next.

    Parameters
    ----------
    space : Space
        Space to search. Without mutations, all generations are drawn at random.
    objectives : Objectives
        What to optimise, and within which constraints.
    settings : EvolutionSettings
        Size of the search, and its seed.
    cost : callable
        Computes the cost of a canonical form; only called if there are constraints on it.
    evaluated : polars.DataFrame
        All architectures so far, in order, as for :meth:`Objectives.violations`, with their
        canonical form as ``arch``; empty at first.
    tried : collection of str, optional
        Canonical forms that are not to be evaluated again, those of ``evaluated`` among them. By
        default only these.
    tries : int, default=10000
        Architectures without enough new ones among them after which a generation ends.

    Returns
    -------
    list of str
        Canonical forms, each new; none if the search has reached its end.

    Raises
    ------
    InputError
        If there are fewer evaluations than parents, no architecture of the space keeps within the
        limits, or it cannot be sampled.
    """
    if settings.evaluations < settings.population:
        raise InputError(
            f"got {settings.evaluations} evaluations; expected at least the population, "
            f"{settings.population}"
        )
    seen = {*(evaluated["arch"] if tried is None and len(evaluated) else tried or ())}
    wanted = min(settings.population, settings.evaluations - len(seen))
    rng = random.Random(f"{settings.seed} {len(seen)}")
    if len(evaluated) and has_mutations(space):
        archs = _mutated(space, _parents(objectives, evaluated, settings.population), rng)
    else:
        if not can_be_drawn(space):
            raise InputError(
                f"got {space.name}, whose architectures can be neither listed nor drawn, and which "
                "the forest's table does not have; expected a list of candidates"
            )
        archs = _drawn(space, rng)
    chosen: dict[str, None] = {}
    for _, arch in zip(range(tries if wanted > 0 else 0), archs, strict=False):
        canonical = space.parse(arch).canonical
        if canonical in seen or canonical in chosen:
            continue
        if not objectives.limits_cost or objectives.affords(cost(canonical)):
            chosen[canonical] = None
            if len(chosen) == wanted:
                break
    if not chosen and not seen:
        raise InputError(
            f"none of {tries} architectures drawn from {space.name} keeps within the limits; "
            "expected wider ones"
        )
    return [*chosen]


def best_rows(values: Floats, violations: Floats, n: int) -> list[int]:
    """List the best rows, the best first: by constraint domination, layer, and crowding distance.

    Parameters
    ----------
    values : ndarray of float, shape (rows, objectives)
        More is better.
    violations : ndarray of float, shape (rows,)
        0 for rows that keep the constraints.
    n : int
        Number of rows.

    Returns
    -------
    list of int, length min(n, rows)
    """
    rows = np.flatnonzero(violations == 0)
    chosen: list[int] = []
    while len(rows) and len(chosen) < n:
        layer = pareto_front(values[rows])
        crowding = crowding_distance(values[rows[layer]])
        chosen += rows[layer[np.argsort(-crowding, kind="stable")]].tolist()
        rows = np.delete(rows, layer)
    violating = np.flatnonzero(violations > 0)
    order = np.argsort(violations[violating], kind="stable")
    return [*chosen, *violating[order].tolist()][:n]


def crowding_distance(values: Floats) -> Floats:
    """Perimeter of the box that the neighbours of a row span, in ranges of the objectives.

    Parameters
    ----------
    values : ndarray of float, shape (rows, objectives)
        Rows of one layer.

    Returns
    -------
    ndarray of float, shape (rows,)
        Infinite for the rows at the ends of an objective.
    """
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        gaps = np.full(len(values), np.inf)
        gaps[1:-1] = (ordered[2:] - ordered[:-2]) / ((ordered[-1] - ordered[0]) or 1.0)
        distance[order] += gaps
    return distance


def _parents(objectives: Objectives, evaluated: pl.DataFrame, n: int) -> list[str]:
    best = best_rows(objectives.values(evaluated), objectives.violations(evaluated), n)
    return evaluated["arch"].gather(best).to_list()


def _drawn(space: Space, rng: random.Random) -> Iterator[str]:
    most = space.size if space.size is not None else TRIES
    while True:
        yield from space.sample(min(100, most), seed=rng.randrange(2**32))


def _mutated(space: Space, parents: list[str], rng: random.Random) -> Iterator[str]:
    """Change one choice of the winners of tournaments of two; each parent, sorted, takes part."""
    places = [*range(len(parents))]
    while True:
        rng.shuffle(places)
        for first in range(0, len(places), 2):
            winner = parents[min(places[first : first + 2])]
            yield space.mutate(winner, seed=rng.randrange(2**32))
