"""Evolves proxies on some labelled networks, and scores them on the others."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from acorn.errors import InputError
from acorn.learning.evaluation_metrics import tau
from acorn.learning.labels import Labels
from acorn.learning.splits import held_out, uniform
from training.features.parallel import OnProgress, no_progress
from training.json_files import read_json
from training.proxy_evolution.fitness import Fitness
from training.proxy_evolution.layer_statistics import STATISTICS
from training.proxy_evolution.network_statistics import NetworkStatistics
from training.proxy_evolution.program import COUNTS, Program

if TYPE_CHECKING:
    from training.proxy_evolution.genetic_programming import ProgramSearch

SCHEMA_VERSION: Literal[1] = 1

MIN_NETWORKS = 10
"""Least labelled networks of each side of the split."""

DRAWS = 3
"""Random and stratified draws of each target."""

Floats = NDArray[np.float64]


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


def evolve_proxies(
    labels: Labels,
    statistics: NetworkStatistics,
    targets: Sequence[str],
    settings: "ProgramSearch",
    *,
    fraction: float,
    on_progress: OnProgress = no_progress,
) -> dict[str, Any]:
    """Evolve programs on some networks, and score them on the others.

    Parameters
    ----------
    labels : Labels
        One row for each network.
    statistics : NetworkStatistics
        Statistics of the same networks, in the same order.
    targets : sequence of str
        Targets by which programs rank networks; the worst one counts.
    settings : ProgramSearch
        Size of the evolution, and the seed of everything random.
    fraction : float
        Share of the networks that is held out.
    on_progress : callable, optional
        Called with (done, total) generations.

    Returns
    -------
    dict
        ``programs``, the fittest first, each with its ``program``, ``text``, ``fitness`` and
        ``tau`` by target on ``train`` and ``held_out``; ``simple``, the same for the fittest
        single statistic; and ``train``, the ids of the networks that the fitness used.

    Raises
    ------
    InputError
        If a side of the split has too few networks.
    """
    from training.proxy_evolution.genetic_programming import evolve_programs  # needs deap

    Y = labels.matrix(targets)
    # Not the hash of select_networks, which is small for all ids that it selected.
    hashed = [f"held out/{id_}" for id_ in labels.ids]
    held = held_out(hashed, fraction=fraction, seed=settings.seed)
    train, test = np.flatnonzero(~held), np.flatnonzero(held)
    fewest = int(min(np.isfinite(Y[rows]).sum(axis=0).min() for rows in (train, test)))
    if fewest < MIN_NETWORKS:
        raise InputError(
            f"got {len(train)} networks to evolve on and {len(test)} to score on, of which "
            f"{fewest} have labels; expected at least {MIN_NETWORKS} of each"
        )
    fitness = Fitness.of(Y, train, draws=DRAWS, seed=settings.seed)

    def fit(program: Program) -> float:
        return fitness(program(statistics))

    def described(program: Program, fitness_: float) -> dict[str, Any]:
        values = program(statistics)
        sides = (("train", train), ("held_out", test))
        return {
            "program": program.tree,
            "text": str(program),
            "fitness": fitness_,
            "tau": {side: _taus(targets, Y[rows], values[rows]) for side, rows in sides},
        }

    simple = max(((program, fit(program)) for program in _simple()), key=lambda pair: pair[1])
    return {
        "schema_version": SCHEMA_VERSION,
        "space": labels.space,
        "dataset": labels.dataset,
        "targets": list(targets),
        "programs": [
            described(*pair) for pair in evolve_programs(fit, settings, on_progress=on_progress)
        ],
        "simple": described(*simple),
        "train": [labels.ids[row] for row in train],
    }


def score_programs(
    programs: Sequence[Program],
    labels: Labels,
    statistics: NetworkStatistics,
    targets: Sequence[str],
) -> list[dict[str, Any]]:
    """Score programs on networks.

    Parameters
    ----------
    programs : sequence of Program
        Programs to score.
    labels, statistics, targets
        As in :func:`evolve_proxies`.

    Returns
    -------
    list of dict
        ``text`` and ``tau`` by target of each program.
    """
    Y = labels.matrix(targets)
    return [
        {"text": str(program), "tau": _taus(targets, Y, program(statistics))}
        for program in programs
    ]


class _Entry(BaseModel):
    program: Any


class _ProgramFile(BaseModel):
    schema_version: Literal[1]
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


def _taus(targets: Sequence[str], Y: Floats, values: Floats) -> dict[str, float | None]:
    """Tau of each target; None if the program has no finite value for some network."""
    finite = bool(np.isfinite(values).all())
    return {
        target: tau(labels, values) if finite else None
        for target, labels in zip(targets, Y.T, strict=True)
    }
