"""Several forests that predict together: each reads some columns and predicts some targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.forests.packed import PackedForest

Floats = NDArray[np.float64]


class Member(NamedTuple):
    """A forest, the columns that it reads and the targets of its outputs, by their numbers."""

    forest: PackedForest
    features: Sequence[int]
    targets: Sequence[int]


class Attribution(NamedTuple):
    """``baseline + contributions.sum(axis=1)`` is the prediction; contributions (n, features)."""

    baseline: float
    contributions: Floats


@dataclass(frozen=True)
class Ensemble:
    """Predicts a target by the mean over all trees of the members that have it."""

    members: Sequence[Member]

    def distribution(self, X: NDArray[np.float32], targets: Sequence[int]) -> tuple[Floats, Floats]:
        """Mean and standard deviation over trees.

        Parameters
        ----------
        X
            Shape (n, features).
        targets
            Distinct numbers of targets.

        Returns
        -------
        tuple
            Two arrays of shape (n, len(targets)).
        """
        column = {target: i for i, target in enumerate(targets)}
        first, second = np.zeros((2, len(X), len(column)))
        trees = np.zeros(len(column))
        for forest, features, own in self.members:
            outputs = [output for output, target in enumerate(own) if target in column]
            if outputs:
                to = [column[own[output]] for output in outputs]
                sums, squares = forest.moments(X[:, features], outputs)
                first[:, to] += sums
                second[:, to] += squares
                trees[to] += forest.n_trees
        mean = first / trees
        return mean, np.sqrt((second / trees - np.square(mean)).clip(0))

    def attribution(self, X: NDArray[np.float32], target: int) -> Attribution:
        """Path contributions to one target, see :meth:`PackedForest.contributions`."""
        members = [member for member in self.members if target in member.targets]
        trees = sum(member.forest.n_trees for member in members)
        baseline, total = 0.0, np.zeros(X.shape)
        for forest, features, own in members:
            start, parts = forest.contributions(X[:, features], [list(own).index(target)])
            baseline += float(start[0]) * forest.n_trees / trees
            total[:, features] += parts[:, :, 0] * (forest.n_trees / trees)
        return Attribution(baseline, total)
