"""Architecture spaces: one module each, behind the protocol of :mod:`models.spaces.base`."""

from models.errors import UnknownSpaceError
from models.spaces.base import Architecture, Cost, Space
from models.spaces.darts import DartsSpace
from models.spaces.graph import GraphSpace
from models.spaces.nasbench_macro import NasBenchMacroSpace
from models.spaces.nats_sss import NatsSizeSpace
from models.spaces.nats_tss import NatsTopologySpace
from models.spaces.timm_models import TimmSpace

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
    """Look up a space by name; raises :class:`~models.errors.UnknownSpaceError`."""
    try:
        return SPACES[name]
    except (KeyError, TypeError):
        raise UnknownSpaceError(name, SPACES) from None
