"""All architectures of a space, with and without labels, if the space can be listed.

Forests on smoothed labels are fitted to the whole population, so that they reproduce the smoothed
label of every architecture. Without a population they are fitted to the labelled architectures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from acorn.features.feature_table import FeatureTable
from acorn.forests import bounded
from acorn.spaces import get_space

LARGEST = 50_000
"""Largest number of architectures of a space that is listed."""


@dataclass(frozen=True)
class Population:
    """One row for each class of equivalent architectures of a space.

    Attributes
    ----------
    X : ndarray of shape (n, features)
        Features; NaN if the table has none.
    place : ndarray of shape (labelled,)
        Row of each labelled architecture.
    known : ndarray of bool of shape (n,)
        Rows that are in the feature table.
    free_columns : frozenset of int
        Columns that the space computes without a network, so that every row has them.
    """

    X: NDArray[np.float32]
    place: NDArray[np.int64]
    known: NDArray[np.bool_]
    free_columns: frozenset[int]

    @classmethod
    def of(cls, space: str, ids: Sequence[str], features: FeatureTable) -> Self | None:
        """List a space.

        Parameters
        ----------
        space : str
            Name of the space.
        ids : sequence of str
            Labelled architectures.
        features : FeatureTable
            Their features.

        Returns
        -------
        Population or None
            None if the space is too large, or the table lacks its columns.
        """
        owner = get_space(space)
        if owner.size is None or owner.size > LARGEST:
            return None
        names = features.feature_names
        archs = sorted({owner.parse(arch).canonical for arch in owner.enumerate()})
        columns = owner.columns(archs[0])
        if not columns.keys() <= set(names):
            return None
        all_ids = [f"{space}/{arch}" for arch in archs]
        known = np.array([id_ in features for id_ in all_ids])
        X = np.full((len(archs), len(names)), np.nan, np.float32)
        X[known] = features.matrix(names, [id_ for id_ in all_ids if id_ in features])
        free = [names.index(name) for name in columns]
        for row in np.flatnonzero(~known):
            X[row, free] = [*owner.columns(archs[row]).values()]
        row_of = {id_: row for row, id_ in enumerate(all_ids)}
        place = np.array([row_of[id_] for id_ in ids])
        return cls(bounded(X), place, known, frozenset(free))

    def covers(self, columns: Sequence[int]) -> bool:
        """Whether every row has these columns, apart from single values that cannot be computed.

        Parameters
        ----------
        columns : sequence of int
            Columns of the feature table.

        Returns
        -------
        bool
            Whether every row has a value in at least one of those that need a network.
        """
        computed = [column for column in columns if column not in self.free_columns]
        return not computed or bool(np.isfinite(self.X[:, computed]).any(axis=1).all())
