"""How far evolution looks."""

from dataclasses import dataclass

from acorn.errors import InputError


@dataclass(frozen=True, slots=True)
class Evolution:
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
