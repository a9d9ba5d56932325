"""The blocks that a network is a chain of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils.hooks import RemovableHandle

from acorn.proxies._network.measured import MeasuredNetwork, WeightedLayer
from acorn.proxies._network.watch_modules import Inputs, hooked

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)

Block = nn.Module | WeightedLayer
"""A module, or a convolution without one: a function that is given its weight."""


def feature_blocks(network: MeasuredNetwork) -> list[Block]:
    """Find the building blocks of a network: cells, residual blocks, stems.

    From the top, modules are opened until at least two of them hold convolutions. Plain
    containers of composite modules are always opened, composite modules that may have a forward
    of their own only as far as need be. A plain stack of layers falls apart into its
    convolutions. In the order of registration; those without a convolution that runs are left
    out.
    """
    found: list[Block] = [network.module]
    while True:
        found = [part for block in found for part in _opened(block)]
        blocks = [block for block in found if _convolves(block, network)]
        if len(blocks) > 1 or not any(_composite(block, network) for block in blocks):
            return blocks
        found = [
            part
            for block in blocks
            for part in (_parts(block, network) if _composite(block, network) else [block])
        ]


@contextmanager
def showing_blocks(
    network: MeasuredNetwork, see: Callable[[Tensor], Tensor | None]
) -> Iterator[None]:
    """Show the output of each block while inside; what ``see`` returns takes its place."""
    blocks = feature_blocks(network)
    layers = {block for block in blocks if isinstance(block, WeightedLayer)}

    def of_layer(layer: WeightedLayer, out: Tensor) -> Tensor | None:
        return see(out) if layer in layers else None

    def of_module(_module: nn.Module, _inputs: Inputs, out: object) -> Tensor | None:
        return see(out) if isinstance(out, Tensor) else None

    handles: list[RemovableHandle] = []
    with network.showing_layers(of_layer), hooked(handles):
        handles.extend(
            block.register_forward_hook(of_module)
            for block in blocks
            if isinstance(block, nn.Module)
        )
        yield


def _opened(block: Block) -> Iterator[Block]:
    """Open plain containers that hold composite modules."""
    if isinstance(block, nn.Module) and type(block) in _CONTAINERS:
        children = [*block.children()]
        if type(block) is not nn.Sequential or any(next(c.children(), None) for c in children):
            for child in children:
                yield from _opened(child)
            return
    yield block


def _parts(block: Block, network: MeasuredNetwork) -> list[Block]:
    """Give a module's own modules, then the convolutions that it computes without one."""
    if isinstance(block, WeightedLayer):
        return []
    return [*block.children(), *_own_convolutions(block, network)]


def _own_convolutions(module: nn.Module, network: MeasuredNetwork) -> list[WeightedLayer]:
    return [layer for layer in network.functional_layers(module) if layer.weight.dim() > 2]


def _composite(block: Block, network: MeasuredNetwork) -> bool:
    return bool(_parts(block, network))


def _convolves(block: Block, network: MeasuredNetwork) -> bool:
    if isinstance(block, WeightedLayer):
        return True
    return any(
        (isinstance(module, _ConvNd) and network.runs(module)) or _own_convolutions(module, network)
        for module in block.modules()
    )
