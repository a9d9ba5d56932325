"""Weights that libraries initialise in their own way, put on one footing."""

from enum import StrEnum

import torch
from torch import nn

from acorn.errors import InputError, abbreviate
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.redraw import draw_layer

TOKEN_DEVIATION = 0.02
"""Standard deviation of tokens and positions (Dosovitskiy et al., ICLR 2021)."""


class Initialisation(StrEnum):
    """Which weights a network is measured with."""

    AS_GIVEN = "as_given"  # those that it has
    CANONICAL = "canonical"  # those of :func:`initialise`


def policy_of(name: str) -> Initialisation:
    """Look an initialisation up by name; raises :class:`~acorn.errors.InputError`."""
    try:
        return Initialisation(name)
    except ValueError:
        raise InputError(
            f"got initialisation {abbreviate(name)}; expected {' or '.join(Initialisation)}"
        ) from None


@torch.no_grad()
def initialise(network: MeasuredNetwork, seed: int) -> None:
    """Give a network the initialisation that any library's form of it gets.

    Libraries begin one architecture differently: timm's residual blocks with a last norm of scale
    zero, torchvision's of one; transformers with a head of zeros and layer scales of 1e-6. Here

    - norms have scale one and shift zero;
    - convolutions and linear layers draw their weights by fan-in, as torch's layers do (uniform
      within 1 / sqrt(fan-in)), in the order of registration, and have no bias;
    - other parameters that activations are multiplied with (layer scales, gates) are one;
    - other parameters whose values differ (tokens, positions) are drawn with deviation 0.02, those
      of one value (shifts) stay as they are.

    Parameters
    ----------
    network
        Surveyed; its parameters are overwritten.
    seed
        Of the weights.
    """
    generator = torch.Generator().manual_seed(seed)
    network.sizes.clear()
    drawn: set[int] = set()
    for layer in network.layers:
        draw_layer(layer.weight, None, generator)
        drawn.add(id(layer.weight))
        if layer.bias is not None:
            layer.bias.zero_()
            drawn.add(id(layer.bias))
    for operation in network.norms:
        for tensor, value in ((operation.weight, 1.0), (operation.bias, 0.0)):
            if isinstance(tensor, nn.Parameter) and id(tensor) not in drawn:
                tensor.fill_(value)
                drawn.add(id(tensor))
    for parameter in network.scales:
        if id(parameter) not in drawn:
            parameter.fill_(1.0)
            drawn.add(id(parameter))
    for parameter in network.module.parameters():
        rest = id(parameter) not in drawn and parameter.is_floating_point() and parameter.numel()
        if rest and (parameter != parameter.flatten()[0]).any():
            values = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(TOKEN_DEVIATION * values)
