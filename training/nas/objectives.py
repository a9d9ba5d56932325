"""Objectives and limits of an architecture search, and the settings of its evolution."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from acorn.errors import InputError
from acorn.spaces import Cost
from acorn.targets import Target

COSTS = ("params", "flops")
"""Objectives that a search minimises; all others are targets of the bundle."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """What makes one architecture better than another.

    Attributes
    ----------
    names : sequence of str
        Targets, and names of :data:`COSTS`, which are minimised.
    pessimistic : bool, default=False
        Whether to use the worse end of a target's interval in place of its value.
    max_params, max_flops : float or None, default=None
        Most millions of parameters and of multiply-accumulates; None is no limit.
    """

    names: Sequence[str]
    pessimistic: bool = False
    max_params: float | None = None
    max_flops: float | None = None

    @property
    def targets(self) -> list[str]:
        """Objectives that a bundle predicts."""
        return [name for name in self.names if name not in COSTS]

    def affords(self, cost: Cost) -> bool:
        """Whether a network is within the limits.

        Parameters
        ----------
        cost : Cost
            Size of the network.

        Returns
        -------
        bool
        """
        return (self.max_params is None or cost.params <= self.max_params) and (
            self.max_flops is None or cost.flops <= self.max_flops
        )

    def values(self, evaluated: pl.DataFrame) -> NDArray[np.float64]:
        """Values of the objectives.

        Parameters
        ----------
        evaluated : polars.DataFrame
            Rows of :meth:`~training.nas.evaluator.ArchitectureEvaluator.evaluate`.

        Returns
        -------
        numpy.ndarray
            Shape (rows, names); more is better.
        """
        columns = []
        for name in self.names:
            is_target = name not in COSTS
            sign = 1.0 if is_target and Target.of(name).higher_is_better else -1.0
            bound = (".lower" if sign > 0 else ".upper") if self.pessimistic and is_target else ""
            columns.append(sign * evaluated[name + bound].to_numpy().astype(np.float64))
        return np.column_stack(columns)


@dataclass(frozen=True, slots=True)
class EvolutionSettings:
    """How far and how broadly evolution searches.

    Attributes
    ----------
    population : int, default=40
        Number of parents: a multiple of four, as NSGA-II's tournament needs.
    evaluations : int, default=1000
        Most architectures to evaluate.
    seed : int, default=0
        Seeds everything random.
    """

    population: int = 40
    evaluations: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.population < 4 or self.population % 4:
            raise InputError(f"got a population of {self.population}; expected a multiple of 4")
        if self.evaluations < self.population:
            raise InputError(
                f"got {self.evaluations} evaluations; expected at least the population, "
                f"{self.population}"
            )
