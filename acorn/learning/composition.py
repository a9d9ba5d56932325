"""Compositions of a bundle: which targets share a forest, and which labels it is fitted to.

Labels of different targets are correlated and noisy. A forest fitted to many targets at once finds
splits that hold for all of them, which reduces the error of the noisiest targets. A forest fitted
to one kind of target finds splits that only this kind needs. The average of both is better than
either. If architectures are similar, forests on smoothed labels (:mod:`acorn.learning.smoothing`)
are better still: they reproduce the predictions of a smoother model in a form that can be served
and explained (Breiman and Shang, Born again trees, 1996).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from acorn.forests import Ensemble, Member
from acorn.learning.smoothing import mode_share
from acorn.targets import Target

Floats = NDArray[np.float64]
Group = tuple[int, ...]

NEARLY_CONSTANT = 0.9
"""Least share of equal labels at which a target is neither smoothed nor used in model selection,
because its ranks are mostly ties."""


@dataclass(frozen=True)
class TargetGroups:
    """Targets that may share a forest, by their numbers: their labels are of the same rows.

    Attributes
    ----------
    joint : list of tuple of int
        Targets with labels of the same rows.
    by_kind : list of tuple of int
        Of these, targets of the same kind.
    informative : list of int
        Targets whose labels mostly differ; all targets if there is no such target.
    """

    joint: list[Group]
    by_kind: list[Group]
    informative: list[int]

    @classmethod
    def of(cls, targets: Sequence[str], Y: Float64[Floats, "n targets"]) -> Self:
        """Group targets by their labels.

        Parameters
        ----------
        targets : sequence of str
            Names.
        Y : ndarray of shape (n, targets)
            Labels, NaN where there is none.

        Returns
        -------
        TargetGroups
            The groups.
        """
        labelled = [np.isfinite(column) for column in Y.T]
        rows = [mask.tobytes() for mask in labelled]
        kinds = [Target.of(name).kind for name in targets]
        shares = [mode_share(column[mask]) for column, mask in zip(Y.T, labelled, strict=True)]
        informative = [t for t, share in enumerate(shares) if share < NEARLY_CONSTANT]
        return cls(
            _grouped(rows),
            _grouped([*zip(rows, kinds, strict=True)]),
            informative or [*range(len(targets))],
        )

    @property
    def nearly_constant(self) -> set[int]:
        """Targets that are not informative."""
        return {t for group in self.joint for t in group}.difference(self.informative)

    @property
    def smoothed(self) -> list[Group]:
        """Targets of each forest on smoothed labels."""
        kept = [tuple(t for t in group if t in self.informative) for group in self.joint]
        return [group for group in kept if group]


class Composition(StrEnum):
    """The forests that a bundle consists of.

    ``joint`` is one forest for all targets, ``kind`` one for each kind of target, ``both`` these
    together. ``smooth`` is one forest on smoothed labels, ``blend`` that one and the joint one.
    """

    BOTH = "both"
    JOINT = "joint"
    KIND = "kind"
    SMOOTH = "smooth"
    BLEND = "blend"

    @property
    def is_smoothed(self) -> bool:
        """Whether it has forests on smoothed labels."""
        return self in (Composition.SMOOTH, Composition.BLEND)

    @classmethod
    def alternatives(cls, *, smoothed: bool) -> list[Self]:
        """List the compositions with, or without, forests on smoothed labels.

        Parameters
        ----------
        smoothed : bool
            Which compositions to list.

        Returns
        -------
        list of Composition
            All have the same :attr:`widest`.
        """
        return [composition for composition in cls if composition.is_smoothed == smoothed]

    @property
    def widest(self) -> "Composition":
        """The composition that has all forests of this one."""
        return Composition.BLEND if self.is_smoothed else Composition.BOTH

    def groups(self, groups: TargetGroups) -> list[Group]:
        """List the targets of each forest on the original labels.

        Parameters
        ----------
        groups : TargetGroups
            Groups of the targets.

        Returns
        -------
        list of tuple of int
            Targets of each forest.
        """
        if self is Composition.BOTH:
            return list(dict.fromkeys(groups.joint + groups.by_kind))
        if self is Composition.SMOOTH:  # only for targets that are not smoothed
            return [group for group in groups.joint if groups.nearly_constant.intersection(group)]
        return groups.by_kind if self is Composition.KIND else groups.joint

    def plain_targets(self, groups: TargetGroups) -> set[int]:
        """Targets that the forests on the original labels predict.

        Parameters
        ----------
        groups : TargetGroups
            Groups of the targets.

        Returns
        -------
        set of int
            Numbers of the targets.
        """
        if self is Composition.SMOOTH:
            return groups.nearly_constant
        return {target for group in groups.joint for target in group}

    def reweighed(self, ensemble: Ensemble, groups: TargetGroups, weight: float) -> Ensemble:
        """Change the weight of the trees on smoothed labels.

        Parameters
        ----------
        ensemble : Ensemble
            Forests of this composition; boosted and additive ones may follow.
        groups : TargetGroups
            Groups of the targets.
        weight : float
            Weight of each tree of the forests on smoothed labels.

        Returns
        -------
        Ensemble
            The same forests.
        """
        plain = len(self.groups(groups))
        smoothed = [
            member if member.boosted or member.additive else member._replace(weight=weight)
            for member in ensemble.members[plain:]
        ]
        return Ensemble([*ensemble.members[:plain], *smoothed])

    def select(self, widest: Ensemble, groups: TargetGroups) -> Ensemble:
        """Take the forests of this composition from those of its widest one.

        Parameters
        ----------
        widest : Ensemble
            Forests of :attr:`widest`.
        groups : TargetGroups
            Groups of the targets.

        Returns
        -------
        Ensemble
            Forests of this composition.
        """
        if self is self.widest:
            return widest
        if self is Composition.SMOOTH:
            plain = len(groups.joint)
            kept = restricted(widest.members[:plain], self.plain_targets(groups))
            return Ensemble([*kept, *widest.members[plain:]])
        chosen = self.groups(groups)
        return Ensemble([member for member in widest.members if tuple(member.targets) in chosen])


def restricted(members: Sequence[Member], targets: Collection[int]) -> list[Member]:
    """Restrict members to some targets.

    Parameters
    ----------
    members : sequence of Member
        Forests of any targets.
    targets : collection of int
        Targets to keep.

    Returns
    -------
    list of Member
        The same trees with only the values of these targets. Members without such a target are
        left out.
    """
    kept = []
    for member in members:
        outputs = [place for place, target in enumerate(member.targets) if target in targets]
        if len(outputs) == len(member.targets):
            kept.append(member)
        elif outputs:
            values = np.ascontiguousarray(member.forest.values[:, outputs])
            names = tuple(member.targets[place] for place in outputs)
            forest = replace(member.forest, values=values)
            kept.append(member._replace(forest=forest, targets=names))
    return kept


def _grouped(keys: Sequence[Any]) -> list[Group]:
    groups: dict[Any, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return [tuple(places) for places in groups.values()]
