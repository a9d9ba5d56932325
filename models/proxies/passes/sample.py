"""SAMPLE: forward of one Gaussian image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.proxies.passes.watch import watched
from models.proxies.registry import Observer

SMALLEST_SIDE = 64
"""Images are at least so large: of few pixels, many channels are always dependent."""


@torch.no_grad()
def sample_pass(network: nn.Module, images: Tensor, observers: Sequence[Observer]) -> None:
    """Show the observers one Gaussian image of at least 64 pixels a side going by."""
    channels, height, width = images.shape[1:]
    size = (1, channels, max(height, SMALLEST_SIDE), max(width, SMALLEST_SIDE))
    image = torch.randn(size, dtype=images.dtype, device=images.device)
    with watched(network, observers):
        network(image)
