"""Several forests that predict together: each reads some columns and predicts some targets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acorn.forests._trees.nodes import Ints, Nodes, join
from acorn.forests._trees.packed import PackedForest
from acorn.forests._trees.walking import arrivals, explained_at_once, portions, trail

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


class _Share(NamedTuple):
    """What one member says of the wanted targets: its outputs, and their places in the result."""

    number: int
    member: Member
    outputs: list[int]
    places: list[int]


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
        first, second = np.zeros((2, len(X), len(targets)))
        trees = np.zeros(len(targets))
        shares = [*self._shares(targets)]
        nodes, all_roots = self._joined
        roots = np.concatenate([all_roots[share.number] for share in shares])
        for rows, chunk in portions(X):
            leaves = nodes.leaf.take(arrivals(nodes, roots, chunk))
            start = 0
            for _, (forest, _, _), outputs, places in shares:
                end = start + forest.n_trees * len(chunk)
                sums, squares = forest.leaf_moments(leaves[start:end], len(chunk), outputs)
                first[rows, places] += sums
                second[rows, places] += squares
                start = end
        for _, (forest, _, _), _, places in shares:
            trees[places] += forest.n_trees
        mean = first / trees
        return mean, np.sqrt((second / trees - np.square(mean)).clip(0))

    def attributions(self, X: NDArray[np.float32], targets: Sequence[int]) -> list[Attribution]:
        """Path contributions to targets, see :meth:`PackedForest.contributions`.

        Parameters are those of :meth:`distribution`; one :class:`Attribution` a target.
        """
        trees, baseline = np.zeros((2, len(targets)))
        total = np.zeros((len(X), len(targets), X.shape[1]))
        shares = [*self._shares(targets)]
        nodes, all_roots = self._joined
        roots = np.concatenate([all_roots[share.number] for share in shares])
        for rows, chunk in portions(X, explained_at_once(len(roots), len(targets))):
            way = trail(nodes, roots, chunk)
            start = 0
            for number, (forest, _, _), outputs, places in shares:
                end = start + forest.n_trees * len(chunk)
                own = way.part(start, end)
                own = own._replace(node=own.node - all_roots[number][0])  # as the member has them
                total[rows, places] += forest.credits(own, chunk.shape, outputs)
                start = end
        for _, (forest, _, _), outputs, places in shares:
            trees[places] += forest.n_trees
            baseline[places] += forest.root_means(outputs) * forest.n_trees
        total /= trees[:, None]
        return [Attribution(float(base), total[:, i]) for i, base in enumerate(baseline / trees)]

    def _shares(self, targets: Sequence[int]) -> Iterator[_Share]:
        place = {target: i for i, target in enumerate(targets)}
        for number, member in enumerate(self.members):
            outputs = [output for output, target in enumerate(member.targets) if target in place]
            if outputs:
                places = [place[member.targets[output]] for output in outputs]
                yield _Share(number, member, outputs, places)

    @cached_property
    def _joined(self) -> tuple[Nodes, list[Ints]]:
        """All trees in one, for rows of all columns, and the roots of each member."""
        return join(
            [member.forest.nodes for member in self.members], [m.features for m in self.members]
        )
