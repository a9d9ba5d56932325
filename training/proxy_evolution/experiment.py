"""From labelled functions to new proxies, scored on functions that they were not bred on."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acorn.errors import InputError, InvalidTableError
from acorn.learning.labels import Labels
from acorn.learning.metrics import tau
from acorn.learning.splits import held_out, uniform
from training.proxy_evolution.fitness import Fitness
from training.proxy_evolution.layer_statistics import STATISTICS
from training.proxy_evolution.network_statistics import NetworkStatistics
from training.proxy_evolution.program import COUNTS, Program

SCHEMA_VERSION = 1

LEAST_FUNCTIONS = 10
"""Of each side of the split."""

DRAWS = 3
"""Random and stratified draws of each target."""

Floats = NDArray[np.float64]
Breed = Callable[[Callable[[Program], float]], list[tuple[Program, float]]]


def select_functions(labels: Labels, n: int, *, seed: int) -> Labels:
    """Keep ``n`` functions, the same ones of whatever else is labelled."""
    by_function = labels.by_function()
    order = sorted(by_function.ids, key=lambda id_: (uniform(id_, seed=seed), id_))
    return by_function.only(set(order[:n])).by_function()


def canonical_forms(labels: Labels) -> list[str]:
    """Canonical form of each row, which its id ends in."""
    return [id_.partition("/")[2] for id_ in labels.ids]


def evolve(
    labels: Labels,
    bank: NetworkStatistics,
    targets: Sequence[str],
    breed: Breed,
    *,
    fraction: float,
    seed: int,
) -> dict[str, Any]:
    """Breed programs on some functions, and score them on the others.

    Parameters
    ----------
    labels
        One row a function.
    bank
        Statistics of the same functions, in the same order.
    targets
        What programs are to rank networks by: all of them, since the worst counts.
    breed
        Gives the best programs for a fitness.
    fraction
        Share of the functions that is held out.
    seed
        Of the split and of the draws.

    Returns
    -------
    dict
        ``programs``, the fittest first, each with its ``program``, ``text``, ``fitness`` and
        ``tau`` by target on ``train`` and ``held_out``; ``simple``, the same for the fittest
        statistic by itself; and ``train``, the functions that fitness saw.

    Raises
    ------
    InputError
        If either side of the split has too few functions.
    """
    Y = labels.matrix(targets)
    # Another hash than that of select_functions, which took those where it is small.
    held = held_out([f"held out/{id_}" for id_ in labels.ids], fraction=fraction, seed=seed)
    train, rest = np.flatnonzero(~held), np.flatnonzero(held)
    fewest = int(min(np.isfinite(Y[rows]).sum(axis=0).min() for rows in (train, rest)))
    if fewest < LEAST_FUNCTIONS:
        raise InputError(
            f"got {len(train)} functions to breed on and {len(rest)} to score on, of which "
            f"{fewest} have labels; expected at least {LEAST_FUNCTIONS} of each"
        )
    fitness = Fitness.of(Y, train, draws=DRAWS, seed=seed)

    def fit(program: Program) -> float:
        return fitness(program(bank))

    def described(program: Program, fit_: float) -> dict[str, Any]:
        values = program(bank)
        sides = (("train", train), ("held_out", rest))
        return {
            "program": program.document(),
            "text": str(program),
            "fitness": fit_,
            "tau": {
                side: dict(zip(targets, _taus(Y[rows], values[rows]), strict=True))
                for side, rows in sides
            },
        }

    simple = max(((program, fit(program)) for program in _simple()), key=lambda each: each[1])
    return {
        "schema_version": SCHEMA_VERSION,
        "space": labels.space,
        "dataset": labels.dataset,
        "targets": list(targets),
        "programs": [described(*each) for each in breed(fit)],
        "simple": described(*simple),
        "train": [labels.ids[row] for row in train],
    }


def score_programs(
    document: dict[str, Any], labels: Labels, bank: NetworkStatistics, targets: Sequence[str]
) -> list[dict[str, Any]]:
    """Score programs that were read from a file, by target.

    Parameters
    ----------
    document
        What :func:`read_programs` gives.
    labels, bank, targets
        As in :func:`evolve`.
    """
    Y = labels.matrix(targets)
    found = []
    for each in document["programs"]:
        program = Program.parse(each["program"])
        values = program(bank)
        scores = dict(zip(targets, _taus(Y, values), strict=True))
        found.append({"text": str(program), "tau": scores})
    return found


def read_programs(path: Path) -> dict[str, Any]:
    """Read a file of programs.

    Raises
    ------
    InvalidTableError
        If it is none.
    InputError
        If a program in it is none.
    """
    if not path.is_file():
        raise InvalidTableError(f"no programs at {path}")
    try:
        document = json.loads(path.read_text("utf-8"))
        version, programs = document["schema_version"], document["programs"]
        seen = {str(id_) for id_ in document["train"]}
        trees = [each["program"] for each in programs]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidTableError(f"{path} has no programs: {error!r}") from error
    if version != SCHEMA_VERSION:
        raise InvalidTableError(f"{path} has schema version {version!r}; expected {SCHEMA_VERSION}")
    for tree in trees:
        Program.parse(tree)
    return {"programs": programs, "train": seen, "space": document.get("space")}


def _simple() -> list[Program]:
    """Every statistic by itself: summed or averaged over layers, and with either sign."""
    alone: list[Any] = [*COUNTS]
    alone += [(f"reduce.{how}", name) for how in ("mean", "sum") for name in STATISTICS]
    return [Program(tree) for leaf in alone for tree in (leaf, ("network.negative", leaf))]


def _taus(Y: Floats, values: Floats) -> list[float | None]:
    """Tau of each target; None where the program gives some network no number."""
    if not np.isfinite(values).all():
        return [None] * Y.shape[1]
    return [tau(labels, values) for labels in Y.T]
