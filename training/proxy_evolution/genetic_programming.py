"""Genetic programming over typed trees: crossover, mutation and tournament selection.

Koza, Genetic programming, MIT Press 1992; typed as in Montana, Strongly typed genetic programming,
Evolutionary Computation 3(2), 1995.
"""

import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from deap import gp, tools

from acorn.errors import InputError
from acorn.proxies._programs.program import KINDS, LEAVES, OPERATORS, Program, Tree
from training.features.parallel import OnProgress, no_progress
from training.seeding import seeded

MAX_HEIGHT = 8
CROSSOVER, MUTATION = 0.6, 0.3
TOURNAMENT = 4
KEPT = 20
"""Most programs that an evolution returns."""

TRIES = 10
"""Attempts to create a tree whose fitness no other tree of its generation has."""

MIGRATION = 5
"""Generations after which the best program of each island also lives on the next one."""


@dataclass(frozen=True, slots=True)
class ProgramSearch:
    """Settings of the evolution (EZNAS: 50 programs, 10 to 15 generations).

    Attributes
    ----------
    population : int, default=50
        Programs of a generation on each island.
    generations : int, default=15
        Most generations after the first.
    islands : int, default=1
        Populations that evolve by themselves but for an exchange every :data:`MIGRATION`
        generations.
    patience : int, default=10
        Generations without improvement on the tasks for stopping, after which evolution ends.
    complexity : float, default=0.001
        What a node of a program costs, in tau.
    seed : int, default=0
        Seeds everything random.
    """

    population: int = 50
    generations: int = 15
    islands: int = 1
    patience: int = 10
    complexity: float = 0.001
    seed: int = 0

    def __post_init__(self) -> None:
        if self.population < TOURNAMENT or min(self.generations, self.islands, self.patience) < 1:
            raise InputError(
                f"got {self.population} programs, {self.generations} generations, {self.islands} "
                f"islands, a patience of {self.patience}; expected at least {TOURNAMENT} programs, "
                "and 1 of each other"
            )
        if not 0 <= self.complexity < 1:
            raise InputError(f"got a complexity of {self.complexity}; expected one in [0, 1)")


Score = tuple[float, float]
"""Fitness less the cost of nodes, and fitness."""

_TYPES: dict[str, type] = {kind: type(kind, (), {}) for kind in KINDS}
"""A class for each type of number, which the library tells apart."""


def evolve_programs(
    fitness: Callable[[Program], float],
    settings: ProgramSearch,
    *,
    check: Callable[[Program], float] | None = None,
    first: Sequence[Program] = (),
    on_progress: OnProgress = no_progress,
) -> list[tuple[Program, float]]:
    """Evolve programs.

    Parameters
    ----------
    fitness : callable
        Fitness of a program, more is better; called once for each program.
    settings : ProgramSearch
        Size of the evolution, and its seed.
    check : callable, optional
        Fitness on other tasks: evolution ends when its best program no longer improves there.
    first : sequence of Program, optional
        Programs that every island starts with, beside random ones; at most half of a population.
    on_progress : callable, optional
        Called with (done, total) generations.

    Returns
    -------
    list of (Program, float)
        The best programs of all generations and their fitness, without the cost of nodes; the best
        first, nodes accounted for. Of programs with the same fitness only the shortest. With
        ``check``, those that were the best of an island at some time, by ``check``.
    """
    fitness_of: dict[Program, float] = {}

    def score(tree: Any) -> Score:  # noqa: ANN401, RUF100
        program = Program(_nested(iter(tree)))
        if program not in fitness_of:
            fitness_of[program] = fitness(program)
        value = fitness_of[program]
        return value - settings.complexity * len(program), value

    primitives = _primitives()
    random_tree = partial(gp.genHalfAndHalf, primitives, min_=1, max_=4, type_=_TYPES["network"])
    random_subtree = partial(gp.genFull, min_=0, max_=2)
    given = [
        gp.PrimitiveTree.from_string(str(program), primitives)
        for program in first[: settings.population // 2]
    ]
    leaders: dict[Program, float] = {}
    with seeded(settings.seed):
        islands = [
            _distinct(lambda: gp.PrimitiveTree(random_tree()), score, settings.population, given)
            for _ in range(settings.islands)
        ]
        improved, best_check = 0, -math.inf
        for generation in range(settings.generations):
            bests = [trees[_best(scores)] for trees, scores in islands]
            islands = [
                _distinct(
                    partial(_child, trees, scores, primitives, random_subtree),
                    score,
                    settings.population,
                    # its best survives
                    [best, bests[place - 1]]
                    if len(islands) > 1 and generation % MIGRATION == MIGRATION - 1
                    else [best],
                )
                for place, ((trees, scores), best) in enumerate(zip(islands, bests, strict=True))
            ]
            on_progress(generation + 1, settings.generations)
            if check is None:
                continue
            for trees, scores in islands:
                leader = Program(_nested(iter(trees[_best(scores)])))
                if leader not in leaders:
                    leaders[leader] = check(leader) - settings.complexity * len(leader)
            if max(leaders.values()) > best_check:
                improved, best_check = generation, max(leaders.values())
            if generation - improved >= settings.patience:
                break
    by = leaders or {
        program: value - settings.complexity * len(program) for program, value in fitness_of.items()
    }
    ranked = sorted(by, key=lambda program: (-by[program], len(program), str(program)))
    shortest: dict[float, Program] = {}
    for program in ranked:
        shortest.setdefault(fitness_of[program], program)
    return [(program, value) for value, program in shortest.items()][:KEPT]


def _distinct(
    create: Callable[[], Any], score: Callable[[Any], Score], n: int, trees: list[Any]
) -> tuple[list[Any], list[Score]]:
    """Add trees of different fitness; otherwise equivalent trees would fill the population."""
    trees, scores = list(trees), [score(tree) for tree in trees]
    seen = {fitness for _, fitness in scores}
    while len(trees) < n:
        for _ in range(TRIES):
            tree = create()
            value = score(tree)
            if value[1] not in seen:
                break
        trees.append(tree)
        scores.append(value)
        seen.add(value[1])
    return trees, scores


def _best(scores: Sequence[Score]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)


def _child(
    parents: list[Any], scores: list[Score], primitives: Any, random_subtree: Callable[..., Any]
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


def _winner(parents: list[Any], scores: list[Score]) -> Any:
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
