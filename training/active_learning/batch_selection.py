"""Selects a batch of architectures whose labels are most informative about all the others.

A Gaussian process over features is used in place of the forest. Each step selects the architecture
whose label most reduces the mean variance of the predictions (Cohn, Ghahramani and Jordan, Active
learning with statistical models, JAIR 4, 1996; Seo et al., Gaussian process regression: active data
selection and test point rejection, IJCNN 2000). The variance does not depend on the labels, so a
batch can be selected before any of them is measured. Unlike uncertainty sampling, the method does
not select isolated outliers.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_triangular

from training.active_learning.kernel import Kernel

NOISE = 0.1
"""Variance of the measurement noise of a label, relative to the prior variance of labels."""

MAX_CANDIDATES, MAX_REFERENCES = 3000, 600
"""Most architectures to select from, and most whose variance counts; both are drawn at random."""


def select_batch(
    kernel: Kernel, labelled: Sequence[int], pool: Sequence[int], n: int, *, seed: int = 0
) -> list[int]:
    """Select rows to label.

    Parameters
    ----------
    kernel : Kernel
        Covariance of all rows.
    labelled : sequence of int
        Rows that have labels.
    pool : sequence of int
        Rows to select from; the variance of their predictions is to be reduced.
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
    # Of each candidate, given the labels: covariance with the references, and variance.
    K = kernel(candidates, references) - explained.T @ explained_reference
    variance = kernel.variance(candidates) - np.square(explained).sum(axis=0)
    # Sum over references of the squared covariance, and what each selected row takes from it.
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
