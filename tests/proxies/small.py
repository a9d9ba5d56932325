"""Small networks on which proxies are quick, and batches for them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from acorn.proxies._network.environment import measuring
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.spaces.nats_tss import parse_cell
from acorn.spaces.nats_tss.network import TopologyNetwork

CELL = "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"


def batch(size: int = 6, side: int = 8, num_classes: int = 4) -> tuple[Tensor, Tensor]:
    """Images (size, 3, side, side) and labels (size,)."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(size, 3, side, side, generator=generator)
    return images, torch.arange(size) % num_classes


def cell_network(seed: int = 0) -> TopologyNetwork:
    """A narrow NAS-Bench-201 network with one cell a stage."""
    torch.manual_seed(seed)
    return TopologyNetwork(parse_cell(CELL), 4, channels=4, cells=1)


def layer_weights(network: nn.Module) -> list[Tensor]:
    """Weights of convolutions and linear layers, each once, in the order of registration."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return [*{id(layer.weight): layer.weight for layer in layers}.values()]


@contextmanager
def measured(network: nn.Module, images: Tensor, num_classes: int = 4) -> Iterator[MeasuredNetwork]:
    """A network that is ready for a pass."""
    replica = MeasuredNetwork(network)
    with measuring(replica.functions, []), torch.enable_grad():
        replica.survey(images, num_classes, record=False)
        yield replica
