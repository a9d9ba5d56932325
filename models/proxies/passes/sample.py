"""SAMPLE and REDRAWN: one Gaussian image, and more of them through other weights."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from models.proxies.passes.redraw import redrawn_parameters
from models.proxies.passes.watch import watched
from models.proxies.registry import Observer

SMALLEST_SIDE = 64
"""Images are at least so large: of few pixels, many channels are always dependent."""

DRAWS = 2
"""Draws of weights and image in REDRAWN, besides the network as it is in SAMPLE."""


@torch.no_grad()
def sample_pass(network: nn.Module, images: Tensor, observers: Sequence[Observer]) -> None:
    """Show the observers one Gaussian image of at least 64 pixels a side going by."""
    image = _gaussian_image(images)
    with watched(network, observers):
        network(image)


@torch.no_grad()
def redrawn_pass(network: nn.Module, images: Tensor, observers: Sequence[Observer]) -> None:
    """Show the observers another such image going by, with weights drawn anew, a few times."""
    with watched(network, observers):
        for _ in range(DRAWS):
            for observer in observers:
                observer.on_draw()
            functional_call(network, redrawn_parameters(network), (_gaussian_image(images),))


def _gaussian_image(images: Tensor) -> Float[Tensor, "1 channels h w"]:
    channels, height, width = images.shape[1:]
    size = (1, channels, max(height, SMALLEST_SIDE), max(width, SMALLEST_SIDE))
    return torch.randn(size, dtype=images.dtype, device=images.device)
