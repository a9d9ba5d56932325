"""How large a network may be that somebody else describes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """Bounds on declared networks, checked by arithmetic before anything is built.

    Attributes
    ----------
    characters
        Of a specification as text.
    nodes, inputs
        Nodes of a graph; inputs of all of them together.
    resolution
        Height and width that images may be resized to, pixels.
    params
        Parameters.
    flops
        Operations for one image, in the convention of :mod:`acorn.graph`.
    activations
        Elements that all nodes together return for one image.
    """

    characters: int = 1_000_000
    nodes: int = 2_000
    inputs: int = 10_000
    resolution: int = 256
    params: int = 150_000_000
    flops: int = 10_000_000_000
    activations: int = 20_000_000


LIMITS = NetworkLimits()
"""Those of the registered spaces."""
