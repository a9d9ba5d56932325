"""Choosing a batch of functions, so that their labels say most about all the others.

A Gaussian process over features stands in for the forest: chosen is what most lowers the variance
of its predictions, on average over all that is to be predicted (Cohn, Ghahramani and Jordan, Active
learning with statistical models, JAIR 4, 1996; Seo et al., Gaussian process regression: active data
selection and test point rejection, IJCNN 2000). A batch is chosen greedily: what a label would be
does not matter to the variance, so none is waited for. Unlike a choice of what is most uncertain
itself, this one is not drawn to freaks that nothing else is like.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_triangular

from training.active_learning.kernel import Kernel

NOISE = 0.1
"""Share of a label's variance that is measurement."""

CANDIDATES, WITNESSES = 3000, 600
"""Functions among which, and by which, is chosen; more of them are drawn from at random."""


def choose(
    kernel: Kernel,
    labelled: Sequence[int],
    pool: Sequence[int],
    n: int,
    *,
    seed: int = 0,
) -> list[int]:
    """Choose rows to label.

    Parameters
    ----------
    kernel
        Of all rows.
    labelled
        Rows that have labels.
    pool
        Rows to choose from, which are also what is to be predicted.
    n
        How many; all of the pool where it has no more.
    seed
        Of the draws from a large pool.

    Returns
    -------
    list
        Rows, the most telling first.
    """
    drawn = np.random.default_rng(seed).permutation(np.array(pool, np.int64))
    candidates = drawn[: max(CANDIDATES, n)]
    witnesses = drawn[:WITNESSES]
    known = np.array(labelled, np.int64)
    factor = np.linalg.cholesky(kernel(known, known) + NOISE * np.eye(len(known)))
    explained, explained_there = (
        solve_triangular(factor, kernel(known, rows), lower=True)
        for rows in (candidates, witnesses)
    )
    # Given the labels: covariance with the witnesses, and variance, of each candidate.
    K = kernel(candidates, witnesses) - explained.T @ explained_there
    variance = 1.0 - np.square(explained).sum(axis=0)
    # Sum over witnesses of the squared covariance, and what each choice takes from the rest.
    total = np.square(K).sum(axis=1)
    taken = np.empty((min(n, len(candidates)), len(candidates)))
    taken_there = np.empty((len(taken), len(witnesses)))
    left = np.ones(len(candidates), bool)
    chosen: list[int] = []
    for step in range(len(taken)):
        gain = np.where(left, total / (variance.clip(0) + NOISE), -1.0)
        best = int(gain.argmax())
        left[best] = False
        chosen.append(int(candidates[best]))
        own = kernel(candidates, candidates[[best]])[:, 0] - explained[:, best] @ explained
        before, before_there = taken[:step], taken_there[:step]
        deviation = np.sqrt(max(variance[best], 0.0) + NOISE)
        here = (own - before[:, best] @ before) / deviation
        there = (K[best] - before[:, best] @ before_there) / deviation
        total += here * (here * (there @ there) - 2 * (K @ there - (before_there @ there) @ before))
        variance = variance - here**2
        taken[step], taken_there[step] = here, there
    return chosen
