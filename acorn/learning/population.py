"""All architectures of a space, with and without labels: those that can be listed, or a table.

Forests on smoothed labels are fitted to the whole population, so that they reproduce the smoothed
label of every architecture. Without a population they are fitted to the labelled architectures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, Float32, Int64
from numpy.typing import NDArray

from acorn.conditions import IMAGE_SIZE, encode_conditions, resolve_conditions
from acorn.datasets import get_dataset
from acorn.features.feature_table import FeatureTable, split_row_id
from acorn.forests import bounded
from acorn.learning.labels import Labels
from acorn.spaces import Space, get_space

LARGEST = 50_000
"""Largest number of architectures of a space that is listed."""

SAMPLED = 200
"""Members of a space that are its population if none is given."""


def sample_members(space: Space, *, seed: int) -> list[str]:
    """Draw the members of a space that stand for its population.

    Parameters
    ----------
    space : Space
        A space that can be sampled.
    seed : int
        The same seed draws the same members.

    Returns
    -------
    list of str
        :data:`SAMPLED` specifications, or all of a smaller space.

    Raises
    ------
    InputError
        If the space cannot be sampled.
    """
    return space.sample(min(SAMPLED, space.size or SAMPLED), seed=seed)


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
        Rows that are in the feature table, under default conditions.
    free_columns : frozenset of int
        Columns that the space computes without a network, so that every row has them.
    """

    X: Float32[NDArray[np.float32], "n features"]
    place: Int64[NDArray[np.int64], " labelled"]
    known: Bool[NDArray[np.bool_], " n"]
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

    @classmethod
    def of_table(
        cls,
        features: FeatureTable,
        labels: Labels,
        labelled: Float32[NDArray[np.float32], "labelled columns"],
    ) -> Self:
        """List the labelled rows, and all rows of a feature table under default conditions.

        Parameters
        ----------
        features : FeatureTable
            A table of more architectures than have labels.
        labels : Labels
            Their conditions.
        labelled : ndarray of shape (labelled, columns)
            Features and conditions of the labelled rows.

        Returns
        -------
        Population
            Its distinct rows.
        """
        defaults = resolve_conditions(labels.conditions)
        usual = get_dataset(labels.dataset).height if labels.conditions else 0
        sizes = [split_row_id(key)[1] or usual for key in features.ids]
        encoded = [
            [*encode_conditions(labels.conditions, defaults | {IMAGE_SIZE: size}).values()]
            for size in sizes
        ]
        X = bounded(
            np.column_stack(
                [features.matrix(features.feature_names), np.array(encoded, np.float32)]
            )
        )
        distinct, row = np.unique(np.vstack([labelled, X]), axis=0, return_inverse=True)
        place, listed = np.split(row.ravel(), [len(labelled)])
        known = np.zeros(len(distinct), bool)
        known[listed] = True
        return cls(distinct, place, known, frozenset())

    def part(self, rows: Sequence[int]) -> "Population":
        """Keep some of the labelled architectures, and all that are in the feature table.

        Parameters
        ----------
        rows : sequence of int
            Numbers of labelled architectures.

        Returns
        -------
        Population
            ``place`` has the rows of these, in their order.
        """
        place = self.place[list(rows)]
        kept = self.known.copy()
        kept[place] = True
        number = np.cumsum(kept) - 1
        return replace(self, X=self.X[kept], place=number[place], known=self.known[kept])

    def covers(self, columns: Sequence[int]) -> bool:
        """Check whether every row has these columns, except for values that cannot be computed.

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
