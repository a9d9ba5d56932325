"""Bounds on networks that are declared by others."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """Bounds on declared networks, checked by arithmetic before anything is built.

    Attributes
    ----------
    characters : int, default=1_000_000
        Of a specification as text.
    nodes : int, default=2_000
        Of a graph.
    inputs : int, default=10_000
        Of all nodes of a graph together.
    resolution : int, default=256
        Height and width that images may be resized to, pixels.
    params : int, default=150_000_000
        Parameters.
    flops : int, default=10_000_000_000
        Operations for one image, in the convention of :mod:`acorn.graph`.
    activations : int, default=20_000_000
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
"""Limits of the registered spaces."""
