"""The functions that smooth labels are worked out for.

Where every function of a space can be listed, with its features, forests are grown on all of them,
labelled or not: what they say of a function is then its smooth label. Else they are grown on the
labelled functions, and have to generalise as any forest does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from acorn.features.table import FeatureTable
from acorn.forests import bounded
from acorn.spaces import get_space

LARGEST = 50_000
"""Architectures up to which a space is listed."""


@dataclass(frozen=True)
class Pool:
    """All functions of a space.

    Attributes
    ----------
    X
        Features, shape (functions, features), NaN where the table has none.
    place
        Row of each function of the problem.
    known
        Rows that are in the feature table, shape (functions,).
    own
        Columns that the space has by itself, so that every function has them.
    """

    X: NDArray[np.float32]
    place: NDArray[np.int64]
    known: NDArray[np.bool_]
    own: frozenset[int]

    @classmethod
    def of(cls, space: str, ids: Sequence[str], features: FeatureTable) -> Self | None:
        """List a space; None where it is too large, or its columns are not those of the table.

        Parameters
        ----------
        space
            Name.
        ids
            Functions of the problem.
        features
            Their table.
        """
        owner = get_space(space)
        if owner.size is None or owner.size > LARGEST:
            return None
        names = features.feature_names
        functions = sorted({owner.parse(arch).canonical for arch in owner.enumerate()})
        columns = owner.columns(functions[0])
        if not columns.keys() <= set(names):
            return None
        known = np.array([f"{space}/{each}" in features for each in functions])
        X = np.full((len(functions), len(names)), np.nan, np.float32)
        X[known] = features.matrix(
            names,
            [f"{space}/{each}" for each, there in zip(functions, known, strict=True) if there],
        )
        own = [names.index(name) for name in columns]
        for row in np.flatnonzero(~known):
            X[row, own] = [*owner.columns(functions[row]).values()]
        place = {f"{space}/{each}": row for row, each in enumerate(functions)}
        return cls(bounded(X), np.array([place[id_] for id_ in ids]), known, frozenset(own))

    def covers(self, columns: Sequence[int]) -> bool:
        """Whether all functions have these columns, but for single values that failed."""
        dear = [column for column in columns if column not in self.own]
        return not dear or bool(np.isfinite(self.X[:, dear]).any(axis=1).all())
