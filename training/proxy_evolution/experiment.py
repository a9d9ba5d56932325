"""Evolves proxies on some labelled networks, and scores them on the others."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acorn.errors import InputError, InvalidTableError
from acorn.learning.evaluation_metrics import tau
from acorn.learning.labels import Labels
from acorn.learning.splits import held_out, uniform
from training.proxy_evolution.fitness import Fitness
from training.proxy_evolution.layer_statistics import STATISTICS
from training.proxy_evolution.network_statistics import NetworkStatistics
from training.proxy_evolution.program import COUNTS, Program

SCHEMA_VERSION = 1

MIN_NETWORKS = 10
"""Least labelled networks of each side of the split."""

DRAWS = 3
"""Random and stratified draws of each target."""

Floats = NDArray[np.float64]
Search = Callable[[Callable[[Program], float]], list[tuple[Program, float]]]


def select_networks(labels: Labels, n: int, *, seed: int) -> Labels:
    """Select labelled networks by a hash, so that further labels do not change the selection.

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
    """Canonical form of each row: the part of its id after the slash."""
    return [id_.partition("/")[2] for id_ in labels.ids]


def evolve_proxies(
    labels: Labels,
    statistics: NetworkStatistics,
    targets: Sequence[str],
    search: Search,
    *,
    fraction: float,
    seed: int,
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
    search : callable
        Returns the best programs for a fitness function.
    fraction : float
        Share of the networks that is held out.
    seed : int
        Seeds the split and the draws.

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
    Y = labels.matrix(targets)
    # Another hash than in select_networks, which selected the ids whose hash is small.
    held = held_out([f"held out/{id_}" for id_ in labels.ids], fraction=fraction, seed=seed)
    train, test = np.flatnonzero(~held), np.flatnonzero(held)
    fewest = int(min(np.isfinite(Y[rows]).sum(axis=0).min() for rows in (train, test)))
    if fewest < MIN_NETWORKS:
        raise InputError(
            f"got {len(train)} networks to evolve on and {len(test)} to score on, of which "
            f"{fewest} have labels; expected at least {MIN_NETWORKS} of each"
        )
    fitness = Fitness.of(Y, train, draws=DRAWS, seed=seed)

    def fit(program: Program) -> float:
        return fitness(program(statistics))

    def described(program: Program, fitness_: float) -> dict[str, Any]:
        values = program(statistics)
        sides = (("train", train), ("held_out", test))
        return {
            "program": program.document(),
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
        "programs": [described(*pair) for pair in search(fit)],
        "simple": described(*simple),
        "train": [labels.ids[row] for row in train],
    }


def score_programs(
    document: dict[str, Any],
    labels: Labels,
    statistics: NetworkStatistics,
    targets: Sequence[str],
) -> list[dict[str, Any]]:
    """Score programs that were read from a file.

    Parameters
    ----------
    document : dict
        Result of :func:`read_programs`.
    labels, statistics, targets
        As in :func:`evolve_proxies`.

    Returns
    -------
    list of dict
        ``text`` and ``tau`` by target of each program.
    """
    Y = labels.matrix(targets)
    programs = [Program.parse(entry["program"]) for entry in document["programs"]]
    return [
        {"text": str(program), "tau": _taus(targets, Y, program(statistics))}
        for program in programs
    ]


def read_programs(path: Path) -> dict[str, Any]:
    """Read a file of programs.

    Parameters
    ----------
    path : pathlib.Path
        JSON file that ``acorn evolve`` wrote.

    Returns
    -------
    dict
        ``programs``, ``train`` (a set of ids) and ``space``.

    Raises
    ------
    InvalidTableError
        If it is no such file.
    InputError
        If it holds something that is no program.
    """
    if not path.is_file():
        raise InvalidTableError(f"no programs at {path}")
    try:
        document = json.loads(path.read_text("utf-8"))
        version, programs = document["schema_version"], document["programs"]
        train = {str(id_) for id_ in document["train"]}
        trees = [entry["program"] for entry in programs]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidTableError(f"{path} has no programs: {error!r}") from error
    if version != SCHEMA_VERSION:
        raise InvalidTableError(f"{path} has schema version {version!r}; expected {SCHEMA_VERSION}")
    for tree in trees:
        Program.parse(tree)
    return {"programs": programs, "train": train, "space": document.get("space")}


def _simple() -> list[Program]:
    """Single statistics: summed or averaged over layers, and with either sign."""
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
