"""Labels: measured accuracies of architectures of one space on one dataset, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from acorn.forests import LabelSource

COMPANION = "/"
"""Stands between dataset and target in the names of labels on other datasets."""


@dataclass(frozen=True)
class Labels:
    """Labels of architectures of one space on one dataset.

    Attributes
    ----------
    space, dataset
        Names.
    frame
        One row an architecture: ``id`` of its function, ``arch`` as its space spells it, and a
        nullable float64 column for each target, and for each target on another dataset that was
        asked for, ``<dataset>/<target>``.
    sources
        Where they came from.
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
        """Names of the targets on other datasets: the same functions, other training runs."""
        return [name for name in self.frame.columns[2:] if COMPANION in name]

    @property
    def ids(self) -> list[str]:
        """The function of each row."""
        return self.frame["id"].to_list()

    def matrix(self, targets: Sequence[str]) -> NDArray[np.float64]:
        """Labels of shape (rows, targets), NaN where there is none."""
        return self.frame.select(targets).to_numpy().astype(np.float64)

    def by_function(self) -> "Labels":
        """One row a function: the mean over its twins, with the smallest spelling as ``arch``.

        Twins are trained one by one, so their mean is a better measurement of what they share.
        """
        labels = pl.exclude("id", "arch").mean()
        frame = self.frame.group_by("id").agg(pl.col("arch").min(), labels)
        return Labels(self.space, self.dataset, frame.sort("id"), self.sources)

    def only(self, ids: set[str]) -> "Labels":
        """The rows of some functions."""
        frame = self.frame.filter(pl.col("id").is_in(list(ids)))
        return Labels(self.space, self.dataset, frame, self.sources)
