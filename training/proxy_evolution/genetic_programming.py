"""Genetic programming over typed trees: crossover, mutation and tournament selection.

Koza, Genetic programming, MIT Press 1992; typed as in Montana, Strongly typed genetic programming,
Evolutionary Computation 3(2), 1995.
"""

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from deap import gp, tools

from acorn.errors import InputError
from training.features.parallel import OnProgress, no_progress
from training.proxy_evolution.program import KINDS, LEAVES, OPERATORS, Program, Tree
from training.seeding import seeded

MAX_HEIGHT = 8
CROSSOVER, MUTATION = 0.6, 0.3
TOURNAMENT = 4
KEPT = 5
"""Number of best programs that an evolution returns."""

TRIES = 10
"""Attempts to create a tree whose fitness no other tree of its generation has."""


@dataclass(frozen=True, slots=True)
class ProgramSearch:
    """Settings of the evolution (EZNAS: 50 programs, 10 to 15 generations).

    Attributes
    ----------
    population : int, default=50
        Programs of a generation.
    generations : int, default=15
        Number of generations after the first.
    seed : int, default=0
        Seeds everything random.
    """

    population: int = 50
    generations: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.population < TOURNAMENT or self.generations < 1:
            raise InputError(
                f"got {self.population} programs and {self.generations} generations; "
                f"expected at least {TOURNAMENT} and 1"
            )


_TYPES: dict[str, type] = {kind: type(kind, (), {}) for kind in KINDS}
"""A class for each type of number, which the library tells apart."""


def evolve_programs(
    fitness: Callable[[Program], float],
    settings: ProgramSearch,
    *,
    on_progress: OnProgress = no_progress,
) -> list[tuple[Program, float]]:
    """Evolve programs.

    Parameters
    ----------
    fitness : callable
        Fitness of a program, more is better; called once for each program.
    settings : ProgramSearch
        Size of the evolution, and its seed.
    on_progress : callable, optional
        Called with (done, total) generations.

    Returns
    -------
    list of (Program, float)
        The best programs of all generations and their fitness, the best first; of programs with
        the same fitness only the shortest.
    """
    fitness_of: dict[Program, float] = {}

    def score(tree: Any) -> float:  # noqa: ANN401, RUF100
        program = Program(_nested(iter(tree)))
        if program not in fitness_of:
            fitness_of[program] = fitness(program)
        return fitness_of[program]

    primitives = _primitives()
    random_tree = partial(gp.genHalfAndHalf, primitives, min_=1, max_=4, type_=_TYPES["network"])
    random_subtree = partial(gp.genFull, min_=0, max_=2)
    with seeded(settings.seed):
        trees, scores = _distinct(
            lambda: gp.PrimitiveTree(random_tree()), score, settings.population, []
        )
        for generation in range(settings.generations):
            parents, parent_scores = trees, scores
            best = max(range(len(parents)), key=parent_scores.__getitem__)  # it survives
            trees, scores = _distinct(
                lambda: _child(parents, parent_scores, primitives, random_subtree),  # noqa: B023 - called at once
                score,
                settings.population,
                [parents[best]],
            )
            on_progress(generation + 1, settings.generations)
    ranked = sorted(
        fitness_of.items(), key=lambda item: (-item[1], len(str(item[0])), str(item[0]))
    )
    shortest: dict[float, Program] = {}
    for program, value in ranked:
        shortest.setdefault(value, program)
    return [(program, value) for value, program in shortest.items()][:KEPT]


def _distinct(
    create: Callable[[], Any], score: Callable[[Any], float], n: int, trees: list[Any]
) -> tuple[list[Any], list[float]]:
    """Add trees of different fitness; otherwise equivalent trees would fill the population."""
    trees, scores = list(trees), [score(tree) for tree in trees]
    while len(trees) < n:
        for _ in range(TRIES):
            tree = create()
            value = score(tree)
            if value not in scores:
                break
        trees.append(tree)
        scores.append(value)
    return trees, scores


def _child(
    parents: list[Any], scores: list[float], primitives: Any, random_subtree: Callable[..., Any]
) -> Any:
    """Cross or mutate winners of tournaments; a parent replaces a child that is too high."""
    parent = copy.deepcopy(_winner(parents, scores))
    draw = random.random()
    child = copy.deepcopy(parent)
    if draw < CROSSOVER:
        child, _ = gp.cxOnePoint(child, copy.deepcopy(_winner(parents, scores)))
    elif draw < CROSSOVER + MUTATION:
        (child,) = gp.mutUniform(child, random_subtree, primitives)
    else:
        (child,) = gp.mutNodeReplacement(child, primitives)
    return child if child.height <= MAX_HEIGHT else parent


def _winner(parents: list[Any], scores: list[float]) -> Any:
    drawn = tools.selRandom(range(len(parents)), TOURNAMENT)
    return parents[max(drawn, key=scores.__getitem__)]


def _primitives() -> Any:
    """Declare operators and leaves to the library, which does not call them."""
    primitives = gp.PrimitiveSetTyped("program", [], _TYPES["network"])
    for name, operator in OPERATORS.items():
        takes = [_TYPES[kind] for kind in operator.takes]
        primitives.addPrimitive(operator.apply, takes, _TYPES[operator.gives], name=name)
    for name, kind in LEAVES.items():
        primitives.addTerminal(name, _TYPES[kind], name=name)
    return primitives


def _nested(nodes: Iterator[Any]) -> Tree:
    """Convert the prefix order of the library to a tree."""
    node = next(nodes)
    if not node.arity:
        return str(node.name)
    return (node.name, *(_nested(nodes) for _ in range(node.arity)))
