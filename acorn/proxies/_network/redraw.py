"""Another draw of a network's weights, for passes that average over several."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from acorn.proxies._network.measured import MeasuredNetwork, WeightedLayer


@torch.no_grad()
def drawn_values(
    network: MeasuredNetwork, draw: Callable[[Tensor], Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Draw a value for each layer's weight, with zeros for its bias.

    Parameters
    ----------
    network : MeasuredNetwork
        Surveyed; it keeps its own values.
    draw : callable
        Gives a new value for a weight.

    Returns
    -------
    list of (Tensor, Tensor)
        Pairs of a parameter and its value, for :meth:`MeasuredNetwork.with_values`.
    """
    values: list[tuple[Tensor, Tensor]] = []
    for layer in network.layers:
        values.append((layer.weight, draw(layer.weight)))
        if layer.bias is not None:
            values.append((layer.bias, torch.zeros_like(layer.bias)))
    return values


@contextmanager
def redrawn(network: MeasuredNetwork) -> Iterator[None]:
    """Let the network have the parameters of :func:`redrawn_parameters` while inside."""
    parameters = [*network.module.parameters()]
    with network.with_values(zip(parameters, redrawn_parameters(network), strict=True)):
        yield


@torch.no_grad()
def redrawn_parameters(network: MeasuredNetwork) -> list[Tensor]:
    """Draw parameters as the modules' own ``reset_parameters`` do; the network keeps its own.

    Weights that a function is given are drawn as torch's layers draw theirs. A parameter that no
    module draws so keeps its value, and modules that do not run draw nothing. Goes on from the
    random state, but not along the path by which a network is built from the same seed.

    Returns
    -------
    list
        A value for each of the network's parameters, in their order.
    """
    # Else a network built from the pass's own seed would be drawn once more as it is.
    torch.manual_seed(int(torch.randint(2**62, ())))
    modules = [*network.module.modules()]
    running = {module for module in modules if network.runs(module)}
    own = [(module, module._parameters, module._buffers) for module in modules]
    copies: dict[int, Any] = {}  # by identity: tensors that modules share stay shared
    try:
        for module, parameters, buffers in own:
            for home, tensors in (("_parameters", parameters), ("_buffers", buffers)):
                fresh = {
                    name: None if tensor is None else copies.setdefault(id(tensor), _copy(tensor))
                    for name, tensor in tensors.items()
                }
                setattr(module, home, fresh)
        for module in reversed(modules):  # children first, as they are built
            reset = getattr(module, "reset_parameters", None)
            if callable(reset) and module in running:
                reset()
            for layer in reversed(network.functional_layers(module)):
                _reset(layer, copies)
        return [parameter.detach() for parameter in network.module.parameters()]
    finally:
        for module, parameters, buffers in own:
            module._parameters, module._buffers = parameters, buffers


def _reset(layer: WeightedLayer, copies: dict[int, Any]) -> None:
    draw_layer(copies[id(layer.weight)], copies[id(layer.bias)] if layer.bias is not None else None)


@torch.no_grad()
def draw_layer(
    weight: Tensor, bias: Tensor | None, generator: torch.Generator | None = None
) -> None:
    """Draw a weight and a bias as :class:`torch.nn.Conv2d` and ``Linear`` do, in place.

    A generator of its own draws on the CPU, so that every device gets the same.
    """
    on_cpu = torch.empty(weight.shape, dtype=weight.dtype) if generator is not None else weight
    nn.init.kaiming_uniform_(on_cpu, a=math.sqrt(5), generator=generator)
    if on_cpu is not weight:
        weight.copy_(on_cpu)
    if bias is not None:
        bound = weight[0].numel() ** -0.5
        nn.init.uniform_(bias, -bound, bound, generator=generator)


def _copy(tensor: Tensor) -> Tensor:
    copy = tensor.detach().clone()
    return nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy
