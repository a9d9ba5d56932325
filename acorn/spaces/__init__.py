"""Architecture spaces: one module each, behind the protocol of :mod:`acorn.spaces.base`."""

from acorn.errors import UnknownSpaceError
from acorn.spaces.base import Architecture, Cost, Space
from acorn.spaces.darts.space import DartsSpace
from acorn.spaces.graph.space import GraphSpace
from acorn.spaces.nasbench_macro.space import NasBenchMacroSpace
from acorn.spaces.nats_sss.space import NatsSizeSpace
from acorn.spaces.nats_tss.space import NatsTopologySpace
from acorn.spaces.timm.space import TimmSpace

__all__ = ["SPACES", "UNIVERSAL", "Architecture", "Cost", "Space", "get_space"]

SPACES: dict[str, Space] = {
    space.name: space
    for space in (
        NatsTopologySpace(),
        NatsSizeSpace(),
        NasBenchMacroSpace(),
        DartsSpace(),
        GraphSpace(),
        TimmSpace(),
    )
}

UNIVERSAL = "universal"
"""In the place of a space: a forest for architectures of any space."""


def get_space(name: str) -> Space:
    """Look up a space by name; raises :class:`~acorn.errors.UnknownSpaceError`."""
    try:
        return SPACES[name]
    except (KeyError, TypeError):
        raise UnknownSpaceError(name, SPACES) from None
