"""Finding the front: all functions where their features are at hand, else by evolution."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from acorn.errors import InputError
from acorn.optional import need
from acorn.pareto import pareto_front
from acorn.spaces import Space
from training.features.compute import select_architectures
from training.nas.evaluator import ArchitectureEvaluator
from training.nas.objectives import EvolutionSettings, Objectives


def search(
    space: Space,
    evaluator: ArchitectureEvaluator,
    objectives: Objectives,
    *,
    archs: str | None = None,
    evolution: EvolutionSettings | None = None,
    in_domain: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[pl.DataFrame, int]:
    """Find the architectures that no other beats in all objectives.

    Parameters
    ----------
    space
        Where to look.
    evaluator, objectives
        What counts.
    archs
        Candidates, as :func:`~training.features.compute.select_architectures` reads them. By
        default the whole space if ``evaluator`` has the features of all of it, else what
        ``evolution`` finds.
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
    candidates = _candidates(space, evaluator, archs)
    if candidates is None:
        need("deap", extra="evolve")
        from training.nas.nsga2 import evolve

        judged = evolve(
            space, evaluator, objectives, evolution or EvolutionSettings(), on_progress=on_progress
        )
    else:
        affordable = [each for each in candidates if objectives.affords(evaluator.cost(each))]
        judged = (
            evaluator.evaluate(affordable, on_progress=on_progress)
            if affordable
            else pl.DataFrame()
        )
    if len(judged) and in_domain:
        judged = judged.filter("in_domain")
    if not len(judged):
        raise InputError("no architecture keeps within the limits; expected wider ones")
    values = objectives.values(judged)
    if not np.isfinite(values).all():
        raise InputError("too few labels calibrate the interval; expected a lower --interval")
    return judged[pareto_front(values)], len(judged)


def _candidates(
    space: Space, evaluator: ArchitectureEvaluator, archs: str | None
) -> Sequence[str] | None:
    if archs is not None:
        return select_architectures(space, archs)
    if space.size is None:
        return None
    every = select_architectures(space, "all")
    return every if evaluator.has_features(every) else None
