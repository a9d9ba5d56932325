"""How good a program is: the worst rank correlation on any of several draws of networks.

The smallest, not the mean, as in EZNAS (Akhauri et al., NeurIPS 2022), so that no task is given up
for another. Half of the draws are spread evenly over accuracy, as in GreenMachine: the plain ones
are mostly of networks that hardly differ, and say little about telling good from bad.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acorn.learning.metrics import tau

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

WORST = -1.0
"""Fitness of a program that gives some network no number, or all the same."""

STRATA = 5


@dataclass(frozen=True, eq=False)
class Fitness:
    """Kendall tau on fixed draws of networks.

    Attributes
    ----------
    tasks
        For each draw, its networks and their labels.
    """

    tasks: list[tuple[Rows, Floats]]

    @classmethod
    def of(cls, Y: Floats, rows: Rows, *, draws: int, seed: int) -> "Fitness":
        """Draw, for each target, ``draws`` halves at random and as many by accuracy.

        Parameters
        ----------
        Y
            Labels of shape (networks, targets), NaN where there is none.
        rows
            Networks to draw from.
        draws, seed
            How many of each kind, and their seed.
        """
        rng = np.random.default_rng(seed)
        tasks = []
        for labels in Y.T:
            known = rows[np.isfinite(labels[rows])]
            half = max(2, len(known) // 2)
            for _ in range(draws):
                drawn = rng.choice(known, min(half, len(known)), replace=False)
                tasks.append((drawn, labels[drawn]))
                even = stratified(labels[known], half, rng)
                tasks.append((known[even], labels[known[even]]))
        return cls(tasks)

    def __call__(self, values: Floats) -> float:
        """Smallest tau over the draws."""
        if not np.isfinite(values).all():
            return WORST
        return min(
            tau(labels, values[rows]) if np.ptp(values[rows]) > 0 else WORST
            for rows, labels in self.tasks
        )


def stratified(labels: Floats, n: int, rng: np.random.Generator) -> Rows:
    """Draw up to ``n`` rows, as many from each of equal parts of the range of labels as it has."""
    edges = np.linspace(labels.min(), labels.max(), STRATA + 1)[1:-1]
    stratum = np.digitize(labels, edges)
    shuffled = rng.permutation(len(labels))
    by_stratum = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    _, first, counts = np.unique(stratum[by_stratum], return_index=True, return_counts=True)
    turn = np.arange(len(labels)) - np.repeat(first, counts)
    return by_stratum[np.argsort(turn, kind="stable")][:n]
