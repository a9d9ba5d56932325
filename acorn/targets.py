"""Names of what forests predict: ``clean``, ``pgd_linf_1.0``, ``corruption_fog``, ``adv.clean``."""

import re
from collections.abc import Iterable

from acorn.errors import UnknownTargetError

ADVERSARIAL = "adv."
"""Prefix of targets that speak of adversarially trained networks."""

_TARGET = re.compile(
    r"(?:adv\.)?(?:clean|(?P<attack>[a-z0-9]+(?:_[a-z0-9]+)*)_linf_(?P<eps>\d+(?:\.\d+)?)"
    r"|corruption_[a-z0-9]+(?:_[a-z0-9]+)*)"
)


def is_target(name: str) -> bool:
    """Whether a name is a target's, and not that of another column of a label table."""
    return _TARGET.fullmatch(name) is not None


def kind(name: str) -> str:
    """What targets have in common: ``clean``, ``adv``, ``corruption``, or the name of an attack."""
    if name.startswith(ADVERSARIAL):
        return "adv"
    match = _TARGET.fullmatch(name)
    return (match and match["attack"]) or name.partition("_")[0]


def find_target(name: str, known: Iterable[str]) -> str:
    """Look a name up whatever its spelling of the budget: ``pgd_linf_1`` is ``pgd_linf_1.0``.

    Raises
    ------
    UnknownTargetError
        If it is not known in any spelling.
    """
    spellings = {_key(target): target for target in known}
    try:
        return spellings[_key(name)]
    except KeyError:
        raise UnknownTargetError(name, spellings.values()) from None


def _key(name: str) -> str:
    head, linf, eps = name.rpartition("_linf_")
    return f"{head}{linf}{float(eps):g}" if linf and re.fullmatch(r"\d+(\.\d+)?", eps) else name
