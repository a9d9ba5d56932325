"""Fitness of a program: its smallest rank correlation over several draws of networks.

The smallest rather than the mean, as in EZNAS (Akhauri et al., NeurIPS 2022), so that no target is
sacrificed for another. Half of the draws are stratified by accuracy, as in GreenMachine, since
networks that are drawn uniformly hardly differ in accuracy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acorn.learning.evaluation_metrics import tau
from training.groups import turns

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

WORST = -1.0
"""Fitness of a program that is not finite for some network, or equal for all of a draw."""

STRATA = 5
"""Equal parts of the range of accuracies, from which as many networks are drawn."""


@dataclass(frozen=True, eq=False)
class Fitness:
    """Kendall tau on fixed draws of networks.

    Attributes
    ----------
    tasks : list of (numpy.ndarray, numpy.ndarray)
        Rows of the networks of each draw, and their labels.
    """

    tasks: list[tuple[Rows, Floats]]

    @classmethod
    def of(cls, Y: Floats, rows: Rows, *, draws: int, seed: int) -> "Fitness":
        """Draw halves of the networks for each target: uniformly, and stratified by accuracy.

        Parameters
        ----------
        Y : numpy.ndarray
            Labels, shape (networks, targets); NaN is missing.
        rows : numpy.ndarray
            Networks to draw from.
        draws : int
            Number of draws of each kind.
        seed : int
            Seeds the draws.

        Returns
        -------
        Fitness
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
        """Smallest Kendall tau over the draws.

        Parameters
        ----------
        values : numpy.ndarray
            Values of a program, shape (networks,).

        Returns
        -------
        float
            From -1 to 1; :data:`WORST` if a value is not finite.
        """
        if not np.isfinite(values).all():
            return WORST
        return min(
            tau(labels, values[rows]) if np.ptp(values[rows]) > 0 else WORST
            for rows, labels in self.tasks
        )


def stratified(labels: Floats, n: int, rng: np.random.Generator) -> Rows:
    """Draw rows evenly from :data:`STRATA` equal parts of the range of labels.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (rows,).
    n : int
        Most rows to draw.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Rows.
    """
    edges = np.linspace(labels.min(), labels.max(), STRATA + 1)[1:-1]
    stratum = np.digitize(labels, edges)
    shuffled = rng.permutation(len(labels))
    order = np.lexsort((stratum[shuffled], turns(stratum[shuffled])))
    return shuffled[order][:n]
