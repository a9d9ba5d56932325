"""Splits that keep equivalent architectures together.

Whether an architecture is held out depends only on the hash of its id and on the seed. The same
architectures are therefore held out on every machine, and also after labels are added.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import NDArray

from acorn.errors import InputError


def uniform(id_: str, *, seed: int) -> float:
    """Map an id to a number that depends only on the id and the seed.

    Parameters
    ----------
    id_ : str
        Id of a canonical architecture.
    seed : int
        Another seed gives other numbers.

    Returns
    -------
    float
        In [0, 1).
    """
    digest = hashlib.sha256(f"{seed}:{id_}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def held_out(
    ids: Sequence[str], *, fraction: float, seed: int = 0
) -> Bool[NDArray[np.bool_], " rows"]:
    """Mark held-out rows.

    Parameters
    ----------
    ids : sequence of str
        Id of the canonical architecture of each row.
    fraction : float
        Expected share of canonical architectures to hold out.
    seed : int, default=0
        Another seed gives another split.

    Returns
    -------
    ndarray of bool of shape (rows,)
        Whether each row is held out.
    """
    return np.array([uniform(id_, seed=seed) < fraction for id_ in ids], bool)


def folds(ids: Sequence[str], *, n_folds: int, seed: int = 0) -> Int64[NDArray[np.int64], " rows"]:
    """Split rows into folds whose numbers of canonical architectures differ by at most one.

    Parameters
    ----------
    ids : sequence of str
        Id of the canonical architecture of each row.
    n_folds : int
        Number of folds.
    seed : int, default=0
        Another seed gives other folds.

    Returns
    -------
    ndarray of int64 of shape (rows,)
        Fold of each row, 0 to ``n_folds - 1``.

    Raises
    ------
    ValueError
        If there are fewer canonical architectures than folds.
    """
    distinct_ids = sorted(set(ids), key=lambda id_: (uniform(id_, seed=seed), id_))
    if len(distinct_ids) < n_folds:
        got = f"{len(distinct_ids)} canonical architectures"
        raise ValueError(f"got {got}; expected at least {n_folds}")
    fold_of = {id_: rank % n_folds for rank, id_ in enumerate(distinct_ids)}
    return np.array([fold_of[id_] for id_ in ids], np.int64)


def group_folds(
    groups: Sequence[str], *, n_folds: int, seed: int = 0
) -> Int64[NDArray[np.int64], " rows"]:
    """Split rows into folds of about equal size that do not separate rows of a group.

    Parameters
    ----------
    groups : sequence of str
        Group of each row.
    n_folds : int
        Number of folds; there are fewer if there are fewer groups.
    seed : int, default=0
        Another seed gives other folds if groups have equal sizes.

    Returns
    -------
    ndarray of int64 of shape (rows,)
        Fold of each row, from 0.

    Raises
    ------
    InputError
        If there is only one group.
    """
    rows_by_group = Counter(groups)
    if len(rows_by_group) < 2:
        raise InputError(f"got {len(rows_by_group)} group of rows; expected several")
    order = sorted(
        rows_by_group, key=lambda group: (-rows_by_group[group], uniform(group, seed=seed), group)
    )
    sizes = [0] * min(n_folds, len(order))
    fold_of = {}
    for group in order:  # the largest first, each into the smallest fold
        fold_of[group] = fold = sizes.index(min(sizes))
        sizes[fold] += rows_by_group[group]
    return np.array([fold_of[group] for group in groups], np.int64)
