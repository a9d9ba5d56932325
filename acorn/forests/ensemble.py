"""An ensemble of forests, each of which reads some columns and predicts some targets."""

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
    """A forest of an ensemble.

    Attributes
    ----------
    forest : PackedForest
        The trees.
    features : sequence of int
        Columns that the forest reads.
    targets : sequence of int
        Target of each output.
    """

    forest: PackedForest
    features: Sequence[int]
    targets: Sequence[int]


class Attribution(NamedTuple):
    """Contributions of features to predictions: ``baseline + contributions.sum(axis=1)``.

    Attributes
    ----------
    baseline : float
        Mean prediction on the training rows, on the scale of the fitted labels.
    contributions : ndarray of shape (n, features)
        Contribution of each feature, on the scale of the fitted labels.
    """

    baseline: float
    contributions: Floats


class _Share(NamedTuple):
    """Wanted targets of one member: its outputs, and their places in the result."""

    number: int
    member: Member
    outputs: list[int]
    places: list[int]


@dataclass(frozen=True)
class Ensemble:
    """Predicts a target by the mean over all trees of the members that have it.

    Attributes
    ----------
    members : sequence of Member
        The forests.
    """

    members: Sequence[Member]

    def distribution(self, X: NDArray[np.float32], targets: Sequence[int]) -> tuple[Floats, Floats]:
        """Mean and standard deviation over trees.

        Parameters
        ----------
        X : ndarray of float32 of shape (n, features)
            Features; NaN is missing.
        targets : sequence of int
            Distinct numbers of targets.

        Returns
        -------
        mean, standard deviation : ndarray of shape (n, len(targets))
            On the scale of the fitted labels.
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
        """Path contributions of features to targets, see :meth:`PackedForest.credits`.

        Parameters
        ----------
        X : ndarray of float32 of shape (n, features)
            Features; NaN is missing.
        targets : sequence of int
            Distinct numbers of targets.

        Returns
        -------
        list of Attribution
            One for each target.
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
                paths = way.part(start, end)
                paths = paths._replace(node=paths.node - all_roots[number][0])  # the member's nodes
                total[rows, places] += forest.credits(paths, chunk.shape, outputs)
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
        """Nodes of all trees, for rows of all columns, and the roots of each member."""
        return join(
            [member.forest.nodes for member in self.members], [m.features for m in self.members]
        )
