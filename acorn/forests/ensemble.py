"""An ensemble of forests, each of which reads some columns and predicts some targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64
from numpy.typing import NDArray

from acorn.forests._trees.nodes import Ints, Nodes, join
from acorn.forests._trees.packed import PackedForest
from acorn.forests._trees.walking import arrivals, explained_at_once, portions, trail

Floats = NDArray[np.float64]
Rows = Float32[NDArray[np.float32], "n features"]
PerTarget = Float64[Floats, "n targets"]


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
    boosted : bool, default=False
        Whether the trees correct each other (gradient boosting). Their mean is a prediction, but a
        single tree is none, so that they do not count in the spread over trees.
    weight : float, default=1.0
        Weight of each tree in the mean over all trees of an ensemble.
    additive : bool, default=False
        Whether the mean over its trees is added to the prediction of the other members.
    """

    forest: PackedForest
    features: Sequence[int]
    targets: Sequence[int]
    boosted: bool = False
    weight: float = 1.0
    additive: bool = False


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
    contributions: Float64[Floats, "n features"]


class Share(NamedTuple):
    """What one member contributes to the wanted targets.

    Attributes
    ----------
    number : int
        Number of the member.
    member : Member
        The member.
    outputs : list of int
        Outputs of its forest that predict wanted targets.
    places : list of int
        Places of these targets among the wanted ones.
    first_tree : int
        Number of trees in the shares before this one.
    """

    number: int
    member: Member
    outputs: list[int]
    places: list[int]
    first_tree: int

    def factor(self, trees: Floats) -> Floats | float:
        """Factor of its sums over trees, before they are divided by the number of all trees.

        Parameters
        ----------
        trees : ndarray of shape (wanted targets,)
            Weighted number of trees of each wanted target.

        Returns
        -------
        float or ndarray of shape (targets of this share,)
            The weight of its trees, or what cancels the division.
        """
        if self.member.additive:
            return trees[self.places] / self.member.forest.n_trees
        return self.member.weight

    def pairs(self, rows: int) -> slice:
        """Place of the (tree, row) pairs of this member among those of all shares."""
        return slice(self.first_tree * rows, (self.first_tree + self.member.forest.n_trees) * rows)


@dataclass(frozen=True)
class Ensemble:
    """Predicts a target by the weighted mean over all trees of the members that have it.

    The means of additive members are added to it.

    Attributes
    ----------
    members : sequence of Member
        The forests.
    """

    members: Sequence[Member]

    def distribution(self, X: Rows, targets: Sequence[int]) -> tuple[PerTarget, PerTarget]:
        """Mean over all trees, and standard deviation over those that are not boosted or additive.

        Parameters
        ----------
        X : ndarray of float32 of shape (n, features)
            Features; NaN is missing.
        targets : sequence of int
            Distinct numbers of targets.

        Returns
        -------
        mean, standard deviation : ndarray of shape (n, len(targets))
            On the scale of the fitted labels. The deviation is 0 if all trees are boosted.
        """
        first, second, boosted = np.zeros((3, len(X), len(targets)))
        shares = self.shares(targets)
        trees = count_trees(shares, len(targets))
        nodes, all_roots = self._joined
        roots = np.concatenate([all_roots[share.number] for share in shares])
        for rows, chunk in portions(X):
            leaves = nodes.leaf.take(arrivals(nodes, roots, chunk))
            for share in shares:
                of_member = leaves[share.pairs(len(chunk))]
                moments = share.member.forest.leaf_moments(of_member, len(chunk), share.outputs)
                factor = share.factor(trees)
                if share.member.boosted or share.member.additive:
                    boosted[rows, share.places] += moments[0] * factor
                else:
                    first[rows, share.places] += moments[0] * factor
                    second[rows, share.places] += moments[1] * factor
        averaged = count_trees([s for s in shares if not s.member.boosted], len(targets))
        averaged[averaged == 0] = 1.0
        variance = second / averaged - np.square(first / averaged)
        return (first + boosted) / trees, np.sqrt(variance.clip(0))

    def attributions(self, X: Rows, targets: Sequence[int]) -> list[Attribution]:
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
        baseline = np.zeros(len(targets))
        total = np.zeros((len(X), len(targets), X.shape[1]))
        shares = self.shares(targets)
        trees = count_trees(shares, len(targets))
        nodes, all_roots = self._joined
        roots = np.concatenate([all_roots[share.number] for share in shares])
        for rows, chunk in portions(X, explained_at_once(len(roots), len(targets))):
            all_paths = trail(nodes, roots, chunk)
            for share in shares:
                paths = all_paths.part(share.pairs(len(chunk)))
                paths = paths._replace(node=paths.node - all_roots[share.number][0])
                contributions = share.member.forest.credits(paths, chunk.shape, share.outputs)
                factor = np.reshape(share.factor(trees), (-1, 1))
                total[rows, share.places] += contributions * factor
        for share in shares:
            forest = share.member.forest
            means = forest.root_means(share.outputs) * forest.n_trees
            baseline[share.places] += means * share.factor(trees)
        total /= trees[:, None]
        return [Attribution(float(base), total[:, i]) for i, base in enumerate(baseline / trees)]

    def shares(self, targets: Sequence[int]) -> list[Share]:
        """List what each member contributes to some targets.

        Parameters
        ----------
        targets : sequence of int
            Distinct numbers of targets.

        Returns
        -------
        list of Share
            One for each member that predicts any of them.
        """
        place = {target: i for i, target in enumerate(targets)}
        shares: list[Share] = []
        first_tree = 0
        for number, member in enumerate(self.members):
            outputs = [output for output, target in enumerate(member.targets) if target in place]
            if outputs:
                places = [place[member.targets[output]] for output in outputs]
                shares.append(Share(number, member, outputs, places, first_tree))
                first_tree += member.forest.n_trees
        return shares

    def trees(self, number: int) -> tuple[Nodes, Ints]:
        """Find the trees of a member, for rows of all columns.

        Parameters
        ----------
        number : int
            Number of the member.

        Returns
        -------
        nodes : Nodes
            Nodes of all members.
        roots : ndarray of int64 of shape (trees,)
            Roots of this member's trees among them, ascending.
        """
        nodes, roots = self._joined
        return nodes, roots[number]

    @cached_property
    def _joined(self) -> tuple[Nodes, list[Ints]]:
        """Nodes of all trees, for rows of all columns, and the roots of each member."""
        return join(
            [member.forest.nodes for member in self.members], [m.features for m in self.members]
        )


def count_trees(shares: Sequence[Share], targets: int) -> Floats:
    """Count the trees that predict each target, by their weights and without additive ones.

    Parameters
    ----------
    shares : sequence of Share
        What each member contributes.
    targets : int
        Number of wanted targets.

    Returns
    -------
    ndarray of shape (targets,)
        Weighted numbers of trees.
    """
    trees = np.zeros(targets)
    for share in shares:
        if not share.member.additive:
            trees[share.places] += share.member.weight * share.member.forest.n_trees
    return trees
