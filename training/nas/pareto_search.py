"""Finds the Pareto front of a space: by evaluating all of it, or by evolution."""

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


def find_front(
    space: Space,
    evaluator: ArchitectureEvaluator,
    objectives: Objectives,
    evolution: EvolutionSettings,
    *,
    archs: str | None = None,
    in_domain: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[pl.DataFrame, int]:
    """Find the architectures that no other one beats in all objectives.

    Parameters
    ----------
    space : Space
        Space to search.
    evaluator : ArchitectureEvaluator
        Evaluates the candidates.
    objectives : Objectives
        What to optimise, and within which limits.
    evolution : EvolutionSettings
        How to search if there is no list of candidates.
    archs : str, optional
        Candidates, as :func:`~training.features.compute.select_architectures` reads them. By
        default the whole space if the features of all of it are in a table, else what evolution
        finds.
    in_domain : bool, default=False
        Whether to leave out architectures unlike the training data of the forest.
    on_progress : callable, optional
        Called with (done, total).

    Returns
    -------
    front : polars.DataFrame
        One row for each architecture, the best by the first objective first.
    evaluated : int
        Number of architectures that were evaluated.

    Raises
    ------
    InputError
        If no architecture keeps within the limits.
    """
    candidates = _candidates(space, evaluator, archs)
    if candidates is None:
        need("deap", extra="evolve")
        from training.nas.nsga2 import evolve

        evaluated = evolve(space, evaluator, objectives, evolution, on_progress=on_progress)
    else:
        affordable = [each for each in candidates if objectives.affords(evaluator.cost(each))]
        if not affordable:
            raise InputError("no architecture keeps within the limits; expected wider ones")
        evaluated = evaluator.evaluate(affordable, on_progress=on_progress)
    if in_domain:
        evaluated = evaluated.filter("in_domain")
        if not len(evaluated):
            raise InputError("no architecture within the limits is in the domain of the forest")
    values = objectives.values(evaluated)
    if not np.isfinite(values).all():
        raise InputError("too few labels calibrate the interval; expected a lower --interval")
    return evaluated[pareto_front(values)], len(evaluated)


def _candidates(
    space: Space, evaluator: ArchitectureEvaluator, archs: str | None
) -> Sequence[str] | None:
    if archs is not None:
        return select_architectures(space, archs)
    if space.size is None:
        return None
    whole_space = select_architectures(space, "all")
    return whole_space if evaluator.has_features(whole_space) else None
