"""Prediction targets: their names, units, bounds and directions."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from acorn.errors import UnknownTargetError

ADVERSARIAL = "adv."
"""Prefix of the accuracies of adversarially trained networks."""

PERCENT = "percent"


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
    scale : {"linear", "log"}, default="linear"
        Scale of trees, intervals and attributions. On a log scale, intervals are a factor wide.
    """

    name: str
    kind: str
    unit: str = PERCENT
    lower: float = 0.0
    upper: float = 100.0
    higher_is_better: bool = True
    scale: Literal["linear", "log"] = "linear"

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

TARGETS = {
    "clean": Target("clean", "clean"),
    rf"(?=(?P<kind>{_WORDS})_linf_){_ATTACK}": Target("<attack>_linf_<eps>", "attack"),
    _CORRUPTION: Target("corruption_<name>", "corruption"),
    rf"adv\.(?:clean|{_ATTACK}|{_CORRUPTION})": Target("adv.<target>", "adv"),
    rf"throughput\.{_DEVICE}": Target(
        "throughput.<device>", "throughput", unit="images/s", upper=math.inf, scale="log"
    ),
}
"""All targets: a pattern of names, and what these targets are. The first match counts. A group
``kind`` of the pattern replaces the kind."""


def is_target(name: str) -> bool:
    """Whether a name is a target's, and not that of another column of a label table."""
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


def _key(name: str) -> str:
    head, linf, eps = name.rpartition("_linf_")
    return f"{head}{linf}{float(eps):g}" if linf and re.fullmatch(r"\d+(\.\d+)?", eps) else name
