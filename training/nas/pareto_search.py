"""Finds the Pareto front of a space, by evaluating all architectures or by evolution."""

import polars as pl

from acorn.errors import InputError
from acorn.nas.nsga2 import next_generation
from acorn.nas.objectives import EvolutionSettings, Objectives
from training.features.compute import select_architectures
from training.features.parallel import OnProgress, no_progress
from training.nas.evaluator import ArchitectureEvaluator


def find_front(
    evaluator: ArchitectureEvaluator,
    evolution: EvolutionSettings,
    *,
    archs: str | None = None,
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
        default those of :func:`~acorn.nas.candidates.find_candidates`, else what evolution finds.
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
        If no architecture keeps the constraints.
    """
    space, objectives = evaluator.space, evaluator.objectives
    candidates: list[str] | None
    if archs is not None:
        candidates = select_architectures(space, archs, dataset=evaluator.bundle.dataset)
    else:
        candidates = evaluator.candidates(evolution.evaluations)
    if candidates is None:
        evaluated = evolve(evaluator, evolution, on_progress=on_progress)
    else:
        if objectives.limits_cost:
            candidates = [arch for arch in candidates if objectives.affords(evaluator.cost(arch))]
        if not candidates:
            raise InputError("no architecture keeps within the limits; expected wider ones")
        evaluated = evaluator.evaluate(candidates, on_progress=on_progress)
    front = objectives.front(evaluated)
    if not len(front):
        raise InputError(_obstacle(objectives, evaluated))
    return front, len(evaluated)


def evolve(
    evaluator: ArchitectureEvaluator,
    settings: EvolutionSettings,
    *,
    on_progress: OnProgress = no_progress,
) -> pl.DataFrame:
    """Evaluate architectures generation by generation, each once.

    Parameters
    ----------
    evaluator : ArchitectureEvaluator
        Evaluates the candidates; gives the space and the objectives.
    settings : EvolutionSettings
        Size of the search, and its seed.
    on_progress : callable, optional
        Called with (done, total) evaluations.

    Returns
    -------
    polars.DataFrame
        Rows of :meth:`~training.nas.evaluator.ArchitectureEvaluator.evaluate`, one for each
        architecture that was evaluated.

    Raises
    ------
    InputError
        As :func:`~acorn.nas.nsga2.next_generation` does.
    """
    evaluated = pl.DataFrame()
    while generation := next_generation(
        evaluator.space, evaluator.objectives, settings, evaluator.cost, evaluated
    ):
        evaluated = pl.concat([evaluated, evaluator.evaluate(generation)])
        on_progress(len(evaluated), settings.evaluations)
    return evaluated


def _obstacle(objectives: Objectives, evaluated: pl.DataFrame) -> str:
    """Say why no architecture is on the front."""
    violations = objectives.violations(evaluated)
    if violations.min() == float("inf"):
        return "too few labels calibrate the interval; expected a lower --interval"
    if objectives.in_domain and not evaluated["in_domain"].any():
        return "no architecture within the limits is in the domain of the forest"
    nearest = evaluated[int(violations.argmin())]
    values = ", ".join(
        f"{name} {nearest[column][0]:.4g}"
        for each in objectives.constraints
        for name, column in [(each.name, objectives.column(each.name, each.operator == ">="))]
    )
    constraints = ", ".join(map(str, objectives.constraints))
    return (
        f"none of {len(evaluated)} architectures keeps {constraints}; the nearest, "
        f"{nearest['arch'][0]}, has {values}"
    )
