"""Genetic programming: typed trees, crossover, mutation, and the fittest kept.

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
from training.proxy_evolution.program import LEAVES, OPERATORS, Program, Tree
from training.seeding import seeded

MAX_HEIGHT = 8
CROSSOVER, MUTATION = 0.6, 0.3
TOURNAMENT = 4
TRIES = 10
"""At a tree whose fitness no other one of its generation has."""


@dataclass(frozen=True, slots=True)
class ProgramSearch:
    """How many programs, for how long (EZNAS: 50, for 10 to 15 generations).

    Attributes
    ----------
    population, generations, seed
        Programs at a time, times that they are replaced, and the seed of all chance.
    kept
        Best programs to give back.
    """

    population: int = 50
    generations: int = 15
    seed: int = 0
    kept: int = 5

    def __post_init__(self) -> None:
        if self.population < TOURNAMENT or self.generations < 1:
            raise InputError(
                f"got {self.population} programs and {self.generations} generations; "
                f"expected at least {TOURNAMENT} and 1"
            )


class _Layers:
    """A number for each layer, to the library."""


class _Network:
    """A number for a network, to the library."""


_TYPES = {"layers": _Layers, "network": _Network}


def breed(
    fitness: Callable[[Program], float],
    settings: ProgramSearch,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[tuple[Program, float]]:
    """Evolve programs.

    Parameters
    ----------
    fitness
        More is better; called once for each program.
    settings
        How many and for how long.
    on_progress
        Called with (done, total) generations.

    Returns
    -------
    list
        The best programs that ever were, and their fitness, the best first; of those with the
        same fitness the shortest.
    """
    known: dict[Program, float] = {}

    def score(tree: Any) -> float:  # noqa: ANN401, RUF100
        program = Program(_nested(iter(tree)))
        if program not in known:
            known[program] = fitness(program)
        return known[program]

    primitives = _primitives()
    grow = partial(gp.genHalfAndHalf, primitives, min_=1, max_=4, type_=_Network)
    sprout = partial(gp.genFull, min_=0, max_=2)
    with seeded(settings.seed):
        living, scores = _different(
            lambda: gp.PrimitiveTree(grow()), score, settings.population, []
        )
        for generation in range(settings.generations):
            parents, fit = living, scores
            best = max(range(len(parents)), key=fit.__getitem__)  # which lives on
            living, scores = _different(
                lambda: _child(parents, fit, primitives, sprout),  # noqa: B023 - called at once
                score,
                settings.population,
                [parents[best]],
            )
            on_progress(generation + 1, settings.generations)
    shortest = sorted(known.items(), key=lambda each: (-each[1], len(str(each[0])), str(each[0])))
    once: dict[float, Program] = {}
    for program, fit_ in shortest:
        once.setdefault(fit_, program)
    return [(program, fit_) for fit_, program in once.items()][: settings.kept]


def _different(
    make: Callable[[], Any], score: Callable[[Any], float], n: int, trees: list[Any]
) -> tuple[list[Any], list[float]]:
    """Make trees of different fitness, since what ranks networks alike soon fills a population."""
    trees, scores = list(trees), [score(tree) for tree in trees]
    while len(trees) < n:
        for _ in range(TRIES):
            tree = make()
            found = score(tree)
            if found not in scores:
                break
        trees.append(tree)
        scores.append(found)
    return trees, scores


def _child(
    living: list[Any], scores: list[float], primitives: Any, sprout: Callable[..., Any]
) -> Any:
    """Cross, mutate or copy winners of tournaments; what grows too high is its parent again."""
    parent = copy.deepcopy(_winner(living, scores))
    chance = random.random()
    child = copy.deepcopy(parent)
    if chance < CROSSOVER:
        child, _ = gp.cxOnePoint(child, copy.deepcopy(_winner(living, scores)))
    elif chance < CROSSOVER + MUTATION:
        (child,) = gp.mutUniform(child, sprout, primitives)
    else:
        (child,) = gp.mutNodeReplacement(child, primitives)
    return child if child.height <= MAX_HEIGHT else parent


def _winner(living: list[Any], scores: list[float]) -> Any:
    drawn = tools.selRandom(range(len(living)), TOURNAMENT)
    return living[max(drawn, key=scores.__getitem__)]


def _primitives() -> Any:
    """Tell the library of operators and leaves; it never calls them."""
    found = gp.PrimitiveSetTyped("program", [], _Network)
    for operator in OPERATORS.values():
        takes = [_TYPES[kind] for kind in operator.takes]
        found.addPrimitive(operator.apply, takes, _TYPES[operator.gives], name=operator.name)
    for name, kind in LEAVES.items():
        found.addTerminal(name, _TYPES[kind], name=name)
    return found


def _nested(nodes: Iterator[Any]) -> Tree:
    """Turn the library's prefix order into a tree."""
    node = next(nodes)
    if not node.arity:
        return str(node.name)
    return (node.name, *(_nested(nodes) for _ in range(node.arity)))
