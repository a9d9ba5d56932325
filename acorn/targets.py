"""Prediction targets: their names, units, bounds and directions."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from acorn.errors import UnknownTargetError

ADVERSARIAL = "adv."
"""Prefix of the accuracies of adversarially trained networks."""

PERCENT, PERCENTILE = "percent", "percentile"

COSTS = ("params", "flops")
"""Sizes of a network: what a search can minimise beside targets. They need no prediction."""

COST_UNIT = "million"


@dataclass(frozen=True)
class Target:
    """A quantity that a forest predicts; :meth:`of` makes it from its name.

    Attributes
    ----------
    name : str
        Name in label tables and bundles, such as ``pgd_linf_1.0``.
    kind : str
        What similar targets have in common. Targets of one kind may share a forest.
    unit : str, default="percent"
        Unit of labels, predictions and intervals.
    lower, upper : float, default=0, 100
        Bounds of labels, predictions and intervals. Values on a log scale are above 0.
    higher_is_better : bool, default=True
        Direction of searches and Pareto fronts.
    scale : {"linear", "log", "rank"}, default="linear"
        Scale of trees, intervals and attributions. On a log scale, intervals are a factor wide. On
        a rank scale, values are percentiles of a population, and the trees predict their normal
        scores.
    """

    name: str
    kind: str
    unit: str = PERCENT
    lower: float = 0.0
    upper: float = 100.0
    higher_is_better: bool = True
    scale: Literal["linear", "log", "rank"] = "linear"

    @property
    def ranks(self) -> "Target":
        """Ranks by this target: percentiles of a population, 100 is the highest value."""
        return replace(
            self, unit=PERCENTILE, lower=0.0, upper=100.0, higher_is_better=True, scale="rank"
        )

    @staticmethod
    def of(name: str) -> "Target":
        """Make the target of a name.

        Parameters
        ----------
        name : str
            A name that matches a pattern of :data:`TARGETS`.

        Returns
        -------
        Target
            The target with its unit, bounds and direction.

        Raises
        ------
        UnknownTargetError
            If no pattern matches.
        """
        for pattern, template in TARGETS.items():
            if match := re.fullmatch(pattern, name):
                kind = match.groupdict().get("kind", template.kind)
                return replace(template, name=name, kind=kind)
        raise UnknownTargetError(name, [template.name for template in TARGETS.values()])


_WORDS = r"[a-z0-9]+(?:_[a-z0-9]+)*"
_ATTACK = rf"{_WORDS}_linf_\d+(?:\.\d+)?"
_CORRUPTION = rf"corruption_{_WORDS}"
_DEVICE = r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*"


def _positive(kind: str, unit: str, *, higher_is_better: bool = True) -> Target:
    """A quantity of a device, above 0 without a bound."""
    return Target(
        f"{kind}.<device>",
        kind,
        unit=unit,
        upper=math.inf,
        higher_is_better=higher_is_better,
        scale="log",
    )


TARGETS = {
    "clean": Target("clean", "clean"),
    rf"(?=(?P<kind>{_WORDS})_linf_){_ATTACK}": Target("<attack>_linf_<eps>", "attack"),
    _CORRUPTION: Target("corruption_<name>", "corruption"),
    rf"adv\.(?:clean|{_ATTACK}|{_CORRUPTION})": Target("adv.<target>", "adv"),
    "real|v2|imagenet_a|imagenet_r|sketch": Target("<test set of ImageNet>", "shift"),
    rf"throughput\.{_DEVICE}": _positive("throughput", "images/s"),
    rf"latency\.{_DEVICE}": _positive("latency", "ms", higher_is_better=False),
    rf"energy\.{_DEVICE}": _positive("energy", "mJ", higher_is_better=False),
    rf"arithmetic_intensity\.{_DEVICE}": _positive("arithmetic_intensity", "operations/byte"),
}
"""All targets: a pattern of names, and what these targets are. The first match counts. A group
``kind`` of the pattern replaces the kind."""


def is_target(name: str) -> bool:
    """Check whether a name is that of a target.

    Parameters
    ----------
    name : str
        Name of a column of a label table.

    Returns
    -------
    bool
        Whether it matches a pattern of :data:`TARGETS`.
    """
    return any(re.fullmatch(pattern, name) for pattern in TARGETS)


def find_target(name: str, known: Iterable[str]) -> str:
    """Find a name in any spelling of its budget: ``pgd_linf_1`` is ``pgd_linf_1.0``.

    Parameters
    ----------
    name : str
        The name to find.
    known : iterable of str
        Names to choose from.

    Returns
    -------
    str
        The known name.

    Raises
    ------
    UnknownTargetError
        If the name is not known in any spelling.
    """
    spellings = {_key(target): target for target in known}
    try:
        return spellings[_key(name)]
    except KeyError:
        raise UnknownTargetError(name, spellings.values()) from None


def match_targets(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Match names to known targets, in any spelling of their budgets.

    Parameters
    ----------
    names : iterable of str
        Names of targets; those that are not known are left out.
    known : iterable of str
        Names to match.

    Returns
    -------
    dict
        The matching name of each known target that has one, in the order of ``known``.
    """
    name_by_key = {_key(name): name for name in names}
    return {target: name_by_key[_key(target)] for target in known if _key(target) in name_by_key}


def _key(name: str) -> str:
    head, linf, eps = name.rpartition("_linf_")
    return f"{head}{linf}{float(eps):g}" if linf and re.fullmatch(r"\d+(\.\d+)?", eps) else name
