"""The blocks that a network is a chain of."""

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.conv import _ConvNd

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def feature_blocks(network: nn.Module) -> list[nn.Module]:
    """Find the building blocks of a network: cells, residual blocks, stems.

    From the top, modules are opened until at least two of them hold convolutions. Plain
    containers of composite modules are always opened, composite modules that may have a forward
    of their own only as far as need be. A plain stack of layers falls apart into its
    convolutions. In the order of registration; those without a convolution are left out.
    """
    found = [network]
    while True:
        found = [part for module in found for part in _opened(module)]
        blocks = [module for module in found if _convolves(module)]
        if len(blocks) > 1 or not any(_composite(module) for module in blocks):
            return blocks
        found = [
            part
            for module in blocks
            for part in (module.children() if _composite(module) else [module])
        ]


def _opened(module: nn.Module) -> Iterator[nn.Module]:
    """Open plain containers that hold composite modules."""
    stacks = type(module) in _CONTAINERS and any(map(_composite, module.children()))
    if stacks or type(module) in _CONTAINERS[1:]:
        for child in module.children():
            yield from _opened(child)
    else:
        yield module


def _composite(module: nn.Module) -> bool:
    return next(module.children(), None) is not None


def _convolves(module: nn.Module) -> bool:
    return any(isinstance(part, _ConvNd) for part in module.modules())
