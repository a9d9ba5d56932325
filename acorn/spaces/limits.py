"""Bounds on networks that are declared in requests."""

from dataclasses import dataclass, replace
from typing import Self

from acorn.datasets import Dataset

USUAL_PIXELS = 32 * 32
"""Pixels of an image up to which the bounds hold as they are."""

LARGE_IMAGE_PARAMS = 10
"""Factor of the bound on parameters for larger images, whose networks are larger."""


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

    def at(self, dataset: Dataset) -> Self:
        """Make the bounds for the images of a dataset.

        Parameters
        ----------
        dataset : Dataset
            Gives the size of the images.

        Returns
        -------
        NetworkLimits
            For images above 32 x 32 pixels, operations and elements grow with the pixels.
        """
        factor = dataset.height * dataset.width / USUAL_PIXELS
        if factor <= 1:
            return self
        return replace(
            self,
            resolution=max(self.resolution, 2 * dataset.height, 2 * dataset.width),
            params=LARGE_IMAGE_PARAMS * self.params,
            flops=round(factor * self.flops),
            activations=round(factor * self.activations),
        )

    def excess(self, *, params: int, flops: int = 0, activations: int = 0) -> str | None:
        """Find the first bound that a network exceeds.

        Parameters
        ----------
        params, flops, activations : int
            Size of the network.

        Returns
        -------
        str or None
            Such as ``"more than 150000000 parameters"``; None if it is within all bounds.
        """
        for got, most, unit in (
            (params, self.params, "parameters"),
            (flops, self.flops, "FLOPs"),
            (activations, self.activations, "output elements"),
        ):
            if got > most:
                return f"more than {most} {unit}"
        return None


LIMITS = NetworkLimits()
"""Limits of the registered spaces."""
