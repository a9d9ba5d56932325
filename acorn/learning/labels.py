"""Labels in memory: measured values of architectures of one space on one dataset."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from acorn.forests import LabelSource

COMPANION = "/"
"""Separates dataset and target in the names of labels on other datasets."""


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
        named ``<dataset>/<target>`` for each requested target on another dataset.
    sources : tuple of LabelSource
        Files that the labels were read from.
    """

    space: str
    dataset: str
    frame: pl.DataFrame
    sources: tuple[LabelSource, ...]

    @property
    def targets(self) -> list[str]:
        """Names of the targets."""
        return [name for name in self.frame.columns[2:] if COMPANION not in name]

    @property
    def companions(self) -> list[str]:
        """Names of the targets on other datasets."""
        return [name for name in self.frame.columns[2:] if COMPANION in name]

    @property
    def ids(self) -> list[str]:
        """Id of the canonical architecture of each row."""
        return self.frame["id"].to_list()

    def matrix(self, targets: Sequence[str]) -> NDArray[np.float64]:
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
            One row for each equivalence class, sorted by id. ``arch`` is the first of the class in
            alphabetical order.
        """
        labels = pl.exclude("id", "arch").mean()
        frame = self.frame.group_by("id").agg(pl.col("arch").min(), labels)
        return Labels(self.space, self.dataset, frame.sort("id"), self.sources)

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
        return Labels(self.space, self.dataset, frame, self.sources)
