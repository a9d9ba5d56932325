"""Evolves proxies on some tasks, and scores them on others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from acorn.errors import InputError
from acorn.learning.labels import Labels
from acorn.learning.splits import held_out, uniform
from acorn.proxies._programs.layer_statistics import STATISTICS
from acorn.proxies._programs.layer_table import LayerTable
from acorn.proxies._programs.program import COUNTS, Program
from training.features.parallel import OnProgress, no_progress
from training.json_files import read_json
from training.proxy_evolution.fitness import Fitness, Task

if TYPE_CHECKING:
    from training.proxy_evolution.genetic_programming import ProgramSearch

SCHEMA_VERSION: Literal[2] = 2

MIN_NETWORKS = 10
"""Least labelled networks of a task."""

KEPT = 5
"""Number of programs that an evolution returns."""


def select_networks(labels: Labels, n: int, *, seed: int) -> Labels:
    """Select labelled networks by a hash, so that new labels hardly change the selection.

    Parameters
    ----------
    labels : Labels
        All labels.
    n : int
        Number of networks, one for each canonical architecture.
    seed : int
        Seeds the hash.

    Returns
    -------
    Labels
        One row for each selected network.
    """
    by_function = labels.by_function()
    order = sorted(by_function.ids, key=lambda id_: (uniform(id_, seed=seed), id_))
    return by_function.only(set(order[:n])).by_function()


def canonical_forms(labels: Labels) -> list[str]:
    """List canonical forms.

    Parameters
    ----------
    labels : Labels
        Rows whose ids are ``<space>/<canonical form>``.

    Returns
    -------
    list of str
        Canonical form of each row.
    """
    return [id_.partition("/")[2] for id_ in labels.ids]


def held_out_rows(labels: Labels, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose networks that are held out.

    Parameters
    ----------
    labels : Labels
        One row for each network.
    fraction : float
        Share that is held out, inside [0, 1).
    seed : int
        Seeds the choice.

    Returns
    -------
    numpy.ndarray
        Whether each network is held out, shape (networks,).
    """
    if not fraction:
        return np.zeros(len(labels.ids), np.bool_)
    # Not the hash of select_networks, which is small for all ids that it selected.
    hashed = [f"held out/{id_}" for id_ in labels.ids]
    return held_out(hashed, fraction=fraction, seed=seed)


def tasks_of(
    labels: Labels, networks: LayerTable, targets: Sequence[str], rows: NDArray[np.bool_]
) -> list[Task]:
    """Make a task of each target.

    Parameters
    ----------
    labels : Labels
        One row for each network.
    networks : LayerTable
        Statistics of the same networks, in the same order.
    targets : sequence of str
        Targets by which programs rank networks.
    rows : numpy.ndarray
        Whether each network belongs to the tasks, shape (networks,).

    Returns
    -------
    list of Task
        Empty if no network does.

    Raises
    ------
    InputError
        If a task has too few networks.
    """
    tasks = [
        Task(f"{labels.space}/{labels.dataset}/{target}", networks, np.where(rows, y, np.nan))
        for target, y in zip(targets, labels.matrix(targets).T, strict=True)
    ]
    if not rows.any():
        return []
    for task in tasks:
        known = int(np.isfinite(task.labels).sum())
        if known < MIN_NETWORKS:
            raise InputError(
                f"got {known} labelled networks of {task.name} on one side of the split; "
                f"expected at least {MIN_NETWORKS}"
            )
    return tasks


def evolve_proxies(
    tasks: Sequence[Task],
    settings: "ProgramSearch",
    *,
    stop_on: Sequence[Task] = (),
    choose_on: Sequence[Task] = (),
    score_on: Sequence[Task] = (),
    on_progress: OnProgress = no_progress,
) -> dict[str, Any]:
    """Evolve programs on some tasks, and score them on others.

    Parameters
    ----------
    tasks : sequence of Task
        Tasks whose networks the programs are to rank.
    settings : ProgramSearch
        Size of the evolution, and the seed of everything random.
    stop_on : sequence of Task, optional
        Evolution ends when its best programs do not improve on these.
    choose_on : sequence of Task, optional
        The best programs are ordered by their fitness on these.
    score_on : sequence of Task, optional
        Tasks that decide nothing.
    on_progress : callable, optional
        Called with (done, total) generations.

    Returns
    -------
    dict
        ``programs``, the best first, each with its ``program``, ``text``, ``nodes``, ``fitness``
        and ``tau`` by side (``evolve``, ``stop``, ``choose``, ``held_out``), task and kind of
        draw; and ``simple``, the same for the fittest single statistic.
    """
    from training.proxy_evolution.genetic_programming import evolve_programs  # needs deap

    sides = {"evolve": tasks, "stop": stop_on, "choose": choose_on, "held_out": score_on}
    fitness = {
        side: Fitness.of(given, seed=settings.seed) for side, given in sides.items() if given
    }
    simple = sorted(((fitness["evolve"](program), program) for program in _simple()), key=_first)
    found = evolve_programs(
        fitness["evolve"],
        settings,
        check=fitness.get("stop"),
        first=[program for _, program in simple],
        on_progress=on_progress,
    )
    if "choose" in fitness:
        cost = settings.complexity
        found = sorted(found, key=lambda pair: cost * len(pair[0]) - fitness["choose"](pair[0]))

    def described(program: Program, value: float) -> dict[str, Any]:
        return {
            "program": program.tree,
            "text": str(program),
            "nodes": len(program),
            "fitness": value,
            "tau": {side: _taus(each, program) for side, each in fitness.items()},
        }

    return {
        "schema_version": SCHEMA_VERSION,
        "tasks": {side: [task.name for task in given] for side, given in sides.items()},
        "programs": [described(*pair) for pair in found[:KEPT]],
        "simple": described(simple[0][1], simple[0][0]),
    }


def score_programs(programs: Sequence[Program], tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Score programs on tasks.

    Parameters
    ----------
    programs : sequence of Program
        Programs to score.
    tasks : sequence of Task
        Tasks.

    Returns
    -------
    list of dict
        ``text`` of each program, and its ``tau`` by task and kind of draw.
    """
    fitness = Fitness.of(tasks)
    return [{"text": str(program), "tau": _taus(fitness, program)} for program in programs]


class _Entry(BaseModel):
    program: Any


class _ProgramFile(BaseModel):
    schema_version: Literal[2]
    programs: list[_Entry]
    train: set[str]


def read_programs(path: Path) -> tuple[list[Program], set[str]]:
    """Read a file of programs.

    Parameters
    ----------
    path : pathlib.Path
        JSON file that ``acorn evolve`` wrote.

    Returns
    -------
    programs : list of Program
        The programs, in order.
    train : set of str
        Ids of the networks that they were evolved on.

    Raises
    ------
    InvalidTableError
        If it is no such file.
    InputError
        If it holds something that is no program.
    """
    file = read_json(path, _ProgramFile, "programs")
    return [Program.parse(entry.program) for entry in file.programs], file.train


def _simple() -> list[Program]:
    """Single statistics, summed or averaged over layers, with either sign."""
    trees: list[Any] = [*COUNTS]
    trees += [(f"reduce.{how}", name) for how in ("mean", "sum") for name in STATISTICS]
    return [Program(signed) for tree in trees for signed in (tree, ("network.negative", tree))]


def _first(pair: tuple[float, Program]) -> tuple[float, str]:
    return -pair[0], str(pair[1])


def _taus(fitness: Fitness, program: Program) -> Mapping[str, Mapping[str, float]]:
    taus: dict[str, dict[str, float]] = {}
    for (task, kind), value in fitness.taus(program).items():
        taus.setdefault(task, {})[kind] = value
    return taus
