"""Splits by function: twins never fall on both sides.

A function's place follows from the hash of its id, whatever else is in the table, so that the same
functions are held out on every machine and after every growth of the labels.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def uniform(id_: str, *, seed: int) -> float:
    """A number in [0, 1) that depends on the function and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{id_}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def held_out(ids: Sequence[str], *, fraction: float, seed: int = 0) -> NDArray[np.bool_]:
    """Mark rows whose function falls in the held-out fraction, about ``fraction`` of functions."""
    return np.array([uniform(id_, seed=seed) < fraction for id_ in ids], bool)


def folds(ids: Sequence[str], *, n_folds: int, seed: int = 0) -> NDArray[np.int64]:
    """Number of the fold of each row, 0 to ``n_folds - 1``; folds differ by at most one function.

    Raises
    ------
    ValueError
        If there are fewer functions than folds.
    """
    functions = sorted(set(ids), key=lambda id_: (uniform(id_, seed=seed), id_))
    if len(functions) < n_folds:
        raise ValueError(f"got {len(functions)} functions; expected at least {n_folds}")
    place = {id_: rank % n_folds for rank, id_ in enumerate(functions)}
    return np.array([place[id_] for id_ in ids], np.int64)
