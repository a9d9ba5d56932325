"""Finding the front: all functions where their features are at hand, else by evolution."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from acorn.errors import InputError
from acorn.optional import need
from acorn.pareto import pareto_front
from acorn.spaces import Space
from training.features.compute import select_architectures
from training.nas.judge import Judge, Objectives
from training.nas.settings import Evolution


def search(
    space: Space,
    judge: Judge,
    objectives: Objectives,
    *,
    archs: str | None = None,
    evolution: Evolution | None = None,
    in_domain: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[pl.DataFrame, int]:
    """Find the architectures that no other beats in all objectives.

    Parameters
    ----------
    space
        Where to look.
    judge, objectives
        What counts.
    archs
        Candidates, as :func:`~training.features.compute.select_architectures` reads them. By
        default the whole space where ``judge`` knows all of it, and else what ``evolution`` finds.
    evolution
        How to search a space that is not known as a whole.
    in_domain
        Whether architectures unlike those of the forest's training are left out.
    on_progress
        Called with (done, total).

    Returns
    -------
    tuple
        The front, one row a function, the best by the first objective first; and the number of
        functions that were judged.

    Raises
    ------
    InputError
        If nothing keeps within the limits.
    """
    candidates = _candidates(space, judge, archs)
    if candidates is None:
        need("deap", extra="evolve")
        from training.nas.evolution import evolve

        judged = evolve(space, judge, objectives, evolution or Evolution(), on_progress=on_progress)
    else:
        affordable = [each for each in candidates if objectives.affords(judge.cost(each))]
        judged = judge.judge(affordable, on_progress=on_progress) if affordable else pl.DataFrame()
    if len(judged) and in_domain:
        judged = judged.filter("in_domain")
    if not len(judged):
        raise InputError("no architecture keeps within the limits; expected wider ones")
    values = objectives.values(judged)
    if not np.isfinite(values).all():
        raise InputError("too few labels calibrate the interval; expected a lower --interval")
    return judged[pareto_front(values)], len(judged)


def _candidates(space: Space, judge: Judge, archs: str | None) -> Sequence[str] | None:
    if archs is not None:
        return select_architectures(space, archs)
    if space.size is None:
        return None
    every = select_architectures(space, "all")
    return every if judge.knows(every) else None
