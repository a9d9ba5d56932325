"""Labels in memory: measured values of architectures of one space on one dataset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from jaxtyping import Float64
from numpy.typing import NDArray

from acorn.conditions import PREFIX, Condition
from acorn.errors import InputError
from acorn.forests import LabelSource

COMPANION = "/"
"""Separates dataset and target in the names of labels on other datasets."""

GROUP = "group"
"""Column of groups of rows that no split separates."""

_KEYS = ("id", "arch", GROUP)


@dataclass(frozen=True)
class Labels:
    """Labels of architectures of one space on one dataset.

    Attributes
    ----------
    space, dataset : str
        Names of the space and of the dataset.
    frame : polars.DataFrame
        One row for each architecture, with the columns ``id`` of the canonical architecture,
        ``arch`` as the label table spells it, a nullable float64 column for each target, and one
        named ``<dataset>/<target>`` for each requested target on another dataset. With conditions,
        an architecture may have several rows, and each condition a column ``condition.<name>``.
        Rows of the same value in an optional column ``group`` are not independent.
    sources : tuple of LabelSource
        Files that the labels were read from.
    conditions : tuple of Condition, default=()
        What the labels depend on besides the architecture.
    """

    space: str
    dataset: str
    frame: pl.DataFrame
    sources: tuple[LabelSource, ...]
    conditions: tuple[Condition, ...] = ()

    @property
    def targets(self) -> list[str]:
        """Names of the targets."""
        return [name for name in self._label_columns if COMPANION not in name]

    @property
    def companions(self) -> list[str]:
        """Names of the targets on other datasets."""
        return [name for name in self._label_columns if COMPANION in name]

    @property
    def _label_columns(self) -> list[str]:
        keys = {*_KEYS, *self._condition_columns}
        return [name for name in self.frame.columns if name not in keys]

    @property
    def _condition_columns(self) -> list[str]:
        return [PREFIX + condition.name for condition in self.conditions]

    @property
    def condition_values(self) -> list[dict[str, int | float | str]]:
        """Values of all conditions of each row, by name."""
        rows = self.frame.select(self._condition_columns).iter_rows()
        return [
            {c.name: c.read(value) for c, value in zip(self.conditions, row, strict=True)}
            for row in (rows if self.conditions else [()] * len(self.frame))
        ]

    @property
    def groups(self) -> list[str] | None:
        """Group of each row; a row without one is in the group of its id. None if no row has one.

        Raises
        ------
        InputError
            If an architecture is in two groups.
        """
        if GROUP not in self.frame.columns:
            return None
        filled = self.frame.select("id", pl.col(GROUP).fill_null(pl.col("id")))
        twice = filled.unique().filter(pl.col("id").is_duplicated()).sort("id", GROUP)
        if len(twice):
            got = " and ".join(map(repr, twice[GROUP][:2]))
            raise InputError(f"got {twice['id'][0]} in the groups {got}; expected one")
        return filled[GROUP].to_list()

    @property
    def ids(self) -> list[str]:
        """Id of the canonical architecture of each row."""
        return self.frame["id"].to_list()

    def matrix(self, targets: Sequence[str]) -> Float64[NDArray[np.float64], "rows targets"]:
        """Labels as an array.

        Parameters
        ----------
        targets : sequence of str
            Names of targets, in the order of the columns.

        Returns
        -------
        ndarray of shape (rows, targets)
            Labels in the unit of each target; NaN if there is no label.
        """
        return self.frame.select(targets).to_numpy().astype(np.float64)

    def by_function(self) -> "Labels":
        """Average the labels of equivalent architectures.

        Equivalent architectures are trained independently, so their mean has less noise.

        Returns
        -------
        Labels
            One row for each equivalence class and all its conditions, sorted by id. ``arch`` is the
            first of the class in alphabetical order.
        """
        keys = ["id", *self._condition_columns]
        others = [pl.col("arch").min()]
        if GROUP in self.frame.columns:
            others.append(pl.col(GROUP).first())
        labels = pl.exclude(*keys, "arch", GROUP).mean()
        frame = self.frame.group_by(keys).agg(*others, labels)
        return replace(self, frame=frame.sort(keys))

    def only(self, ids: set[str]) -> "Labels":
        """Select rows.

        Parameters
        ----------
        ids : set of str
            Ids of canonical architectures.

        Returns
        -------
        Labels
            The rows with these ids.
        """
        frame = self.frame.filter(pl.col("id").is_in(list(ids)))
        return replace(self, frame=frame)
