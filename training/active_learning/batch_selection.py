"""Selects a batch of architectures whose labels are most informative about all the others.

A Gaussian process over features stands in for the forest. Selected is what most reduces the mean
variance of its predictions (Cohn, Ghahramani and Jordan, Active learning with statistical models,
JAIR 4, 1996; Seo et al., Gaussian process regression: active data selection and test point
rejection, IJCNN 2000). The selection is greedy; the variance does not depend on the labels, so it
need not wait for them. Unlike uncertainty sampling, it does not select isolated outliers.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_triangular

from training.active_learning.kernel import Kernel

NOISE = 0.1
"""Share of a label's variance that is noise of measurement."""

MAX_CANDIDATES, MAX_REFERENCES = 3000, 600
"""Architectures to select from, and those whose variance counts; a random part of a larger pool."""


def select_batch(
    kernel: Kernel,
    labelled: Sequence[int],
    pool: Sequence[int],
    n: int,
    *,
    seed: int = 0,
) -> list[int]:
    """Select rows to label.

    Parameters
    ----------
    kernel : Kernel
        Covariance of all rows.
    labelled : sequence of int
        Rows that have labels.
    pool : sequence of int
        Rows to select from, which are also what is to be predicted.
    n : int
        Number of rows; the whole pool if it has fewer.
    seed : int, default=0
        Seeds the draws from a large pool.

    Returns
    -------
    list of int
        Rows, the most informative first.
    """
    drawn = np.random.default_rng(seed).permutation(np.array(pool, np.int64))
    candidates = drawn[: max(MAX_CANDIDATES, n)]
    references = drawn[:MAX_REFERENCES]
    known = np.array(labelled, np.int64)
    factor = np.linalg.cholesky(kernel(known, known) + NOISE * np.eye(len(known)))
    explained, explained_reference = (
        solve_triangular(factor, kernel(known, rows), lower=True)
        for rows in (candidates, references)
    )
    # Given the labels: covariance with the references, and variance, of each candidate.
    K = kernel(candidates, references) - explained.T @ explained_reference
    variance = 1.0 - np.square(explained).sum(axis=0)
    # Sum over references of the squared covariance, and how each selected row reduces it.
    total = np.square(K).sum(axis=1)
    taken = np.empty((min(n, len(candidates)), len(candidates)))
    taken_reference = np.empty((len(taken), len(references)))
    available = np.ones(len(candidates), bool)
    selected: list[int] = []
    for step in range(len(taken)):
        gain = np.where(available, total / (variance.clip(0) + NOISE), -1.0)
        best = int(gain.argmax())
        available[best] = False
        selected.append(int(candidates[best]))
        prior = kernel(candidates, candidates[[best]])[:, 0] - explained[:, best] @ explained
        before, before_reference = taken[:step], taken_reference[:step]
        deviation = np.sqrt(max(variance[best], 0.0) + NOISE)
        here = (prior - before[:, best] @ before) / deviation
        there = (K[best] - before[:, best] @ before_reference) / deviation
        cross = K @ there - (before_reference @ there) @ before
        total += here * (here * (there @ there) - 2 * cross)
        variance = variance - here**2
        taken[step], taken_reference[step] = here, there
    return selected
