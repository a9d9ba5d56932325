"""Finds the Pareto front of a space, by evaluating all architectures or by evolution."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from acorn.errors import InputError
from acorn.optional import need
from acorn.pareto import pareto_front
from acorn.spaces import Space
from training.features.compute import select_architectures
from training.features.parallel import OnProgress, no_progress
from training.nas.evaluator import ArchitectureEvaluator
from training.nas.objectives import EvolutionSettings


def find_front(
    evaluator: ArchitectureEvaluator,
    evolution: EvolutionSettings,
    *,
    archs: str | None = None,
    in_domain: bool = False,
    on_progress: OnProgress = no_progress,
) -> tuple[pl.DataFrame, int]:
    """Find the architectures that no other architecture dominates.

    Parameters
    ----------
    evaluator : ArchitectureEvaluator
        Evaluates the candidates; gives the space and the objectives.
    evolution : EvolutionSettings
        How to search if there is no list of candidates.
    archs : str, optional
        Candidates, as :func:`~training.features.compute.select_architectures` reads them. By
        default the whole space if the features of all of it are in a table; for an unbounded space
        without mutations the architectures in a table; else what evolution finds.
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
    space, objectives = evaluator.space, evaluator.objectives
    candidates = _candidates(evaluator, archs)
    if candidates is None:
        need("deap", extra="evolve")
        from training.nas.nsga2 import evolve

        evaluated = evolve(space, evaluator, objectives, evolution, on_progress=on_progress)
    else:
        affordable = [arch for arch in candidates if objectives.affords(evaluator.cost(arch))]
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


def _candidates(evaluator: ArchitectureEvaluator, archs: str | None) -> Sequence[str] | None:
    space = evaluator.space
    if archs is not None:
        return select_architectures(space, archs, dataset=evaluator.bundle.dataset)
    if space.size is None:
        has_mutations = type(space).mutate is not Space.mutate
        return None if has_mutations else evaluator.known() or None
    whole_space = select_architectures(space, "all")
    return whole_space if evaluator.has_features(whole_space) else None
