"""Objectives and constraints of an architecture search, and the settings of its evolution."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from acorn.errors import InputError, UnknownTargetError, abbreviate
from acorn.pareto import pareto_front
from acorn.spaces import Cost
from acorn.targets import COST_UNIT, COSTS, Target

_CONSTRAINT = re.compile(r"\s*([^\s<>=]+)\s*(>=|<=)\s*([^\s<>=]+)\s*")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on a target or a cost.

    Attributes
    ----------
    name : str
        A target, or one of :data:`~acorn.targets.COSTS`.
    operator : {">=", "<="}
        Whether the bound is the least or the largest value.
    bound : float
        In the unit of the target; in millions for a cost.
    """

    name: str
    operator: Literal[">=", "<="]
    bound: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a constraint such as ``clean>=92``.

        Parameters
        ----------
        text : str
            Name, ``>=`` or ``<=``, and a number.

        Returns
        -------
        Constraint

        Raises
        ------
        InputError
            For another form, a name that is no target and no cost, or a bound outside the values
            that the target can have.
        """
        match = _CONSTRAINT.fullmatch(text)
        if match is None:
            raise InputError(
                f"got constraint {abbreviate(text)}; expected NAME>=NUMBER or NAME<=NUMBER, such "
                "as clean>=92"
            )
        name, operator, number = match.groups()
        unit, least, most = _range(name)
        try:
            bound = float(number)
        except ValueError:
            bound = math.nan
        if not (math.isfinite(bound) and least <= bound <= most):
            limits = f"from {least:g}" + ("" if most == math.inf else f" to {most:g}")
            raise InputError(
                f"got constraint {abbreviate(text)}; expected a number {limits} ({unit})"
            )
        return cls(name, ">=" if operator == ">=" else "<=", bound)

    def __str__(self) -> str:
        """The constraint as :meth:`parse` reads it."""
        return f"{self.name}{self.operator}{self.bound:g}"

    def violation(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Tell how far values are from the bound.

        Parameters
        ----------
        values : ndarray of float, shape (n,)

        Returns
        -------
        ndarray of float, shape (n,)
            Relative to the bound; 0 if a value keeps it, infinite for a value that is not known.
        """
        excess = self.bound - values if self.operator == ">=" else values - self.bound
        relative = np.maximum(excess, 0.0) / (abs(self.bound) or 1.0)
        return np.where(np.isnan(relative), np.inf, relative)


def parse_constraints(text: str) -> list[Constraint]:
    """Read constraints such as ``clean>=92,params<=5``; see :meth:`Constraint.parse` for errors."""
    return [Constraint.parse(part) for part in text.split(",") if part.strip()]


def _range(name: str) -> tuple[str, float, float]:
    """Unit, least and largest value of a quantity."""
    if name in COSTS:
        return COST_UNIT, 0.0, math.inf
    try:
        target = Target.of(name)
    except UnknownTargetError as error:
        raise InputError(f"{error}, {', '.join(COSTS)}") from None
    return target.unit, target.lower, target.upper


@dataclass(frozen=True, slots=True)
class Objectives:
    """What makes one architecture better than another, and which architectures count.

    Attributes
    ----------
    names : sequence of str
        Targets, and names of :data:`~acorn.targets.COSTS`, which are minimised.
    constraints : sequence of Constraint, default=()
        What every architecture has to keep.
    pessimistic : bool, default=False
        Whether to use the worse end of a target's interval in place of its value, also in
        constraints.
    in_domain : bool, default=False
        Whether architectures have to be like the training data of the forest.
    """

    names: Sequence[str]
    constraints: Sequence[Constraint] = ()
    pessimistic: bool = False
    in_domain: bool = False

    @property
    def quantities(self) -> list[str]:
        """Targets and costs of the objectives and constraints, each once."""
        return [*dict.fromkeys([*self.names, *(each.name for each in self.constraints)])]

    @property
    def targets(self) -> list[str]:
        """Those of the quantities that a bundle predicts."""
        return [name for name in self.quantities if name not in COSTS]

    @property
    def limits_cost(self) -> bool:
        """Whether there are constraints on the size of networks, known before a prediction."""
        return any(each.name in COSTS for each in self.constraints)

    def units(self, describe: Callable[[str], Target] = Target.of) -> dict[str, str]:
        """Unit of each quantity.

        Parameters
        ----------
        describe : callable, default=Target.of
            Describes a target, such as :meth:`acorn.forests.Bundle.describe`.

        Returns
        -------
        dict of str to str
        """
        return {
            name: COST_UNIT if name in COSTS else describe(name).unit for name in self.quantities
        }

    def affords(self, cost: Cost) -> bool:
        """Whether a network keeps the constraints on its size.

        Parameters
        ----------
        cost : Cost
            Size of the network.

        Returns
        -------
        bool
        """
        return all(
            each.violation(np.array([getattr(cost, each.name)]))[0] == 0
            for each in self.constraints
            if each.name in COSTS
        )

    def values(self, evaluated: pl.DataFrame) -> NDArray[np.float64]:
        """Values of the objectives.

        Parameters
        ----------
        evaluated : polars.DataFrame
            Architectures, with columns for each target, its ``.lower`` and ``.upper``, and each
            cost.

        Returns
        -------
        numpy.ndarray
            Shape (rows, names); more is better.
        """
        columns = []
        for name in self.names:
            rises = name not in COSTS and Target.of(name).higher_is_better
            column = self._numbers(evaluated, name, rises)
            columns.append(column if rises else -column)
        return np.column_stack(columns)

    def violations(self, evaluated: pl.DataFrame) -> NDArray[np.float64]:
        """Tell how far architectures are from keeping all constraints.

        Parameters
        ----------
        evaluated : polars.DataFrame
            As for :meth:`values`, and ``in_domain``.

        Returns
        -------
        numpy.ndarray
            Shape (rows,); 0 for architectures that keep them, infinite where an objective is not
            known.
        """
        total = np.where(np.isfinite(self.values(evaluated)).all(axis=1), 0.0, np.inf)
        for each in self.constraints:
            total += each.violation(self._numbers(evaluated, each.name, each.operator == ">="))
        if self.in_domain:
            total += ~evaluated["in_domain"].to_numpy()
        return total

    def front(self, evaluated: pl.DataFrame) -> pl.DataFrame:
        """Find the architectures that keep the constraints and that no other such one dominates.

        Parameters
        ----------
        evaluated : polars.DataFrame
            As for :meth:`violations`.

        Returns
        -------
        polars.DataFrame
            Rows of ``evaluated``, the best by the first objective first; none if no architecture
            keeps the constraints.
        """
        kept = evaluated.filter(self.violations(evaluated) == 0)
        return kept[pareto_front(self.values(kept)).tolist()]

    def column(self, name: str, low_is_worse: bool) -> str:
        """Name the column that counts for a quantity.

        Parameters
        ----------
        name : str
            A target or a cost.
        low_is_worse : bool
            Which end of an interval is the worse one.

        Returns
        -------
        str
            That of the value; if the search is pessimistic, that of the worse bound of a target.
        """
        if name in COSTS or not self.pessimistic:
            return name
        return f"{name}.lower" if low_is_worse else f"{name}.upper"

    def _numbers(
        self, evaluated: pl.DataFrame, name: str, low_is_worse: bool
    ) -> NDArray[np.float64]:
        column = evaluated[self.column(name, low_is_worse)]
        return column.cast(pl.Float64).fill_null(math.nan).to_numpy()


@dataclass(frozen=True, slots=True)
class EvolutionSettings:
    """How far and how broadly evolution searches.

    Attributes
    ----------
    population : int, default=40
        Number of parents, and of new architectures in a generation.
    evaluations : int, default=1000
        Most architectures to evaluate.
    seed : int, default=0
        Seeds everything random.
    """

    population: int = 40
    evaluations: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.population < 4:
            raise InputError(f"got a population of {self.population}; expected 4 or more")


def check_names(names: Iterable[str]) -> None:
    """Raise InputError if there is no objective, or one twice."""
    given = [*names]
    if not given:
        raise InputError("got no objectives; expected targets, params or flops")
    if twice := sorted({name for name in given if given.count(name) > 1}):
        raise InputError(f"got objective {twice[0]} twice; expected each once")
