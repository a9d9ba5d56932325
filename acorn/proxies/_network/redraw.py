"""Another draw of a network's weights, for passes that average over several."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from acorn.proxies._math.deferred import grouped
from acorn.proxies._network.flat_memory import flat_memory, parts_of
from acorn.proxies._network.measured import MeasuredNetwork

Draw = Callable[[Tensor], object]
"""Fills a contiguous tensor on the CPU, in place."""


@torch.no_grad()
def drawn_values(network: MeasuredNetwork, draw: Draw) -> list[tuple[Tensor, Tensor]]:
    """Draw a value for each layer's weight, with zeros for its bias.

    Parameters
    ----------
    network : MeasuredNetwork
        Surveyed; it keeps its own values.
    draw : callable
        Fills a contiguous tensor on the CPU.

    Returns
    -------
    list of (Tensor, Tensor)
        Pairs of a parameter and its value, for :meth:`MeasuredNetwork.with_values`.
    """
    weights = network.weights
    values = drawn_like([(weight, draw) for weight in weights])
    biases = [layer.bias for layer in network.layers if layer.bias is not None]
    return [
        *zip(weights, values, strict=True),
        *((bias, torch.zeros_like(bias)) for bias in biases),
    ]


@torch.no_grad()
def drawn_like(draws: Sequence[tuple[Tensor, Draw]]) -> list[Tensor]:
    """Draw tensors of the shapes of others, one after the other.

    On the CPU, so that every device has the same values, and moved together. A draw along a part of
    a longer tensor gives the same numbers as one into a tensor of its own.

    Parameters
    ----------
    draws : sequence of (Tensor, callable)
        Tensors on one device, each with what fills a contiguous tensor on the CPU.

    Returns
    -------
    list of Tensor
        Contiguous, in the order of ``draws``.
    """
    tensors = [tensor for tensor, _ in draws]
    by_dtype = grouped(tensor.dtype for tensor in tensors)
    drawn: dict[int, Tensor] = {}
    memories: list[tuple[Tensor, list[int]]] = []
    for places in by_dtype.values():
        memory, parts = flat_memory([tensors[place] for place in places], torch.device("cpu"))
        memories.append((memory, places))
        drawn.update(zip(places, parts, strict=True))
    for place, (_, draw) in enumerate(draws):
        draw(drawn[place])
    for memory, places in memories:
        alike = [tensors[place] for place in places]
        drawn.update(zip(places, parts_of(memory.to(alike[0].device), alike), strict=True))
    return [drawn[place] for place in range(len(draws))]


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
    torch.manual_seed(int(torch.randint(2**62, ()).numpy()))
    modules = [*network.module.modules()]
    resets = {module: _reset_of(module) for module in modules if network.runs(module)}
    if not {*resets.values()} <= {None, *_LAYERS, *_NORMS}:
        return _reset_copies(network)
    values: dict[int, Tensor] = {}
    constants: dict[tuple[float, torch.Size, torch.dtype], Tensor] = {}
    draws: list[tuple[Tensor, Draw]] = []

    def layer(weight: Tensor, bias: Tensor | None) -> None:
        draws.append((weight, _draw_weight))
        if bias is not None:
            draws.append((bias, partial(_draw_bias, weight=weight)))

    for module in reversed(modules):  # children first, as they are built
        reset = resets.get(module)
        if reset in _LAYERS:
            layer(cast(Tensor, module.weight), cast(Tensor | None, module.bias))
        elif reset in _NORMS:
            for name, constant in (("weight", 1.0), ("bias", 0.0)):
                parameter = getattr(module, name, None)
                if isinstance(parameter, Tensor):
                    key = (constant, parameter.shape, parameter.dtype)
                    if key not in constants:
                        constants[key] = torch.full_like(parameter, constant)
                    values[id(parameter)] = constants[key]
        for functional_layer in reversed(network.functional_layers(module)):
            layer(functional_layer.weight, functional_layer.bias)
    for (tensor, _), value in zip(draws, drawn_like(draws), strict=True):
        values[id(tensor)] = value
    return [values.get(id(p), p.detach()) for p in network.module.parameters()]


_LAYERS = (_ConvNd.reset_parameters, nn.Linear.reset_parameters)
_NORMS = (
    _NormBase.reset_parameters,
    nn.GroupNorm.reset_parameters,
    nn.LayerNorm.reset_parameters,
    nn.RMSNorm.reset_parameters,
)


def _reset_of(module: nn.Module) -> object:
    """Give a module's ``reset_parameters`` as a function of its class; None if it has none."""
    own: object = vars(module).get("reset_parameters")
    return getattr(type(module), "reset_parameters", None) if own is None else own


def _reset_copies(network: MeasuredNetwork) -> list[Tensor]:
    """Call ``reset_parameters`` of all modules that run, on copies of their tensors."""
    modules = [*network.module.modules()]
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
        running = {module for module in modules if network.runs(module)}
        for module in reversed(modules):  # children first, as they are built
            reset = getattr(module, "reset_parameters", None)
            if callable(reset) and module in running:
                reset()
            for layer in reversed(network.functional_layers(module)):
                bias = layer.bias
                draw_layer(copies[id(layer.weight)], None if bias is None else copies[id(bias)])
        return [parameter.detach() for parameter in network.module.parameters()]
    finally:
        for module, parameters, buffers in own:
            module._parameters, module._buffers = parameters, buffers


@torch.no_grad()
def draw_layer(
    weight: Float[Tensor, "rows ..."],
    bias: Float[Tensor, " filters"] | None,
    generator: torch.Generator | None = None,
) -> None:
    """Draw a weight and a bias as :class:`torch.nn.Conv2d` and ``Linear`` do, in place.

    A generator of its own draws on the CPU, so that every device gets the same.
    """
    on_cpu = torch.empty(weight.shape, dtype=weight.dtype) if generator is not None else weight
    _draw_weight(on_cpu, generator)
    if on_cpu is not weight:
        weight.copy_(on_cpu)
    if bias is not None:
        _draw_bias(bias, weight, generator)


def _draw_weight(weight: Tensor, generator: torch.Generator | None = None) -> None:
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)


def _draw_bias(bias: Tensor, weight: Tensor, generator: torch.Generator | None = None) -> None:
    bound = 1 / math.sqrt(weight[0].numel())
    nn.init.uniform_(bias, -bound, bound, generator=generator)


def _copy(tensor: Tensor) -> Tensor:
    copy = tensor.detach().clone()
    return nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy
