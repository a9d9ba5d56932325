"""Objectives of a search, and the settings of its evolution."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from acorn.errors import InputError
from acorn.spaces import Cost

Floats = NDArray[np.float64]

COSTS = ("params", "flops")
"""Objectives that a search minimises; all others are targets of the forest."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """What makes one architecture better than another.

    Attributes
    ----------
    names
        Targets, which are maximised, and names of :data:`COSTS`, which are minimised.
    pessimistic
        Whether the lower end of a target's interval counts in place of its value.
    max_params, max_flops
        Most millions of parameters and of multiply-accumulates; None is no limit.
    """

    names: Sequence[str]
    pessimistic: bool = False
    max_params: float | None = None
    max_flops: float | None = None

    @property
    def targets(self) -> list[str]:
        """Those that a forest predicts."""
        return [name for name in self.names if name not in COSTS]

    def affords(self, cost: Cost) -> bool:
        """Whether a network keeps within the limits."""
        return (self.max_params is None or cost.params <= self.max_params) and (
            self.max_flops is None or cost.flops <= self.max_flops
        )

    def values(self, judged: pl.DataFrame) -> Floats:
        """Objectives of shape (rows, names), more is better."""
        columns = [
            -judged[name]
            if name in COSTS
            else judged[f"{name}.lower" if self.pessimistic else name]
            for name in self.names
        ]
        return np.column_stack([column.to_numpy() for column in columns]).astype(np.float64)


@dataclass(frozen=True, slots=True)
class EvolutionSettings:
    """How far and how broadly to search.

    Attributes
    ----------
    population
        Number of parents: a multiple of four, which NSGA-II's tournament needs.
    evaluations
        Most functions to judge.
    seed
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
