"""SAMPLE and REDRAWN: one Gaussian image, and more of them through other weights."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine.records import Records
from acorn.proxies._engine.registry import Observer
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._passes.redraw import redrawn
from acorn.proxies._passes.watch import watched

SMALLEST_SIDE = 64
"""Images are at least so large: of few pixels, many channels are always dependent."""

DRAWS = 2
"""Draws of weights and image in REDRAWN, besides the network as it is in SAMPLE."""


class Samples:
    """SAMPLE and REDRAWN, on images of one size.

    Parameters
    ----------
    network
        The network.
    images
        Give the image's shape.
    records
        Where the size goes.
    """

    def __init__(self, network: MeasuredNetwork, images: Tensor, records: Records) -> None:
        self._network = network
        self._images = images
        self._records = records
        self._size = (0, 0)

    @torch.no_grad()
    def sample(self, observers: Sequence[Observer]) -> None:
        """Show the observers one Gaussian image of at least 64 pixels a side going by.

        A network that does not take it gets one of the size of its own images.
        """
        height, width = self._images.shape[2:]
        self._size = (max(height, SMALLEST_SIDE), max(width, SMALLEST_SIDE))
        try:
            self._show(observers)
        except torch.OutOfMemoryError:
            raise
        except Exception:  # a forward may raise anything
            if self._size == (height, width):
                raise
            self._size = (height, width)
            for observer in observers:
                observer.restart()
            torch.manual_seed(torch.initial_seed())  # as at the beginning of the pass
            self._show(observers)
        self._records.sample_size = self._size

    @torch.no_grad()
    def redrawn(self, observers: Sequence[Observer]) -> None:
        """Show the observers another such image, with weights drawn anew, a few times."""
        for _ in range(DRAWS):
            for observer in observers:
                observer.on_draw()
            with redrawn(self._network):
                self._show(observers)

    def _show(self, observers: Sequence[Observer]) -> None:
        with watched(self._network, observers):
            self._network(self._gaussian_image())

    def _gaussian_image(self) -> Float[Tensor, "1 channels h w"]:
        size = (1, self._images.shape[1], *self._size)
        return torch.randn(size, dtype=self._images.dtype, device=self._images.device)
