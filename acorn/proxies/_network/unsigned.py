"""A network without signs: its parameters are their absolute values."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.scaled import (
    ScaledArithmetic,
    UnscalableError,
    has_scale,
    log_scale,
    scaling,
    set_log_scale,
)

Result = TypeVar("Result")

UNIFORM_SIZE = 0.5
"""Mean absolute value of a weight that torch draws, times the square root of its fan-in."""


def unsigned(
    network: MeasuredNetwork,
    measure: Callable[[MeasuredNetwork], Result],
    parameters: Sequence[Tensor] | None = None,
) -> Result:
    """Run a measurement on a network without signs.

    In single precision, with each layer's weights divided by the sum that one of its outputs has on
    average, so that activations stay near one whatever the depth; see
    :mod:`acorn.proxies._network.scaled`. A network with functions of which the scale cannot be
    worked out is run in double precision, and so is one in another precision.

    Parameters
    ----------
    network : MeasuredNetwork
        Surveyed; its values are as before afterwards.
    measure : callable
        Is given the network, or its counterpart in double precision. Runs twice if the first run
        raises :class:`~acorn.proxies._network.scaled.UnscalableError`, or on a CPU gives a value
        that is not finite, or zeros alone.
    parameters : sequence of Tensor, optional
        Values drawn as torch's layers draw them, to take in place of the network's own; in the
        order of its parameters.

    Returns
    -------
    object
        What ``measure`` returns.
    """
    own = [*network.module.parameters()]
    values = [parameter.detach() for parameter in own] if parameters is None else [*parameters]
    if all(value.dtype is torch.float32 for value in values) and not network.functions.seen:
        try:
            sizes = network.sizes if parameters is None else {}
            with _scaled(network, torch._foreach_abs(values), sizes):
                result = measure(network)
            if not _out_of_range(result):
                return result
        except UnscalableError:
            pass
    double = network.double()
    pairs = zip(double.module.parameters(), (value.double().abs() for value in values), strict=True)
    with double.with_values(pairs):
        return measure(double)


def _out_of_range(result: object) -> bool:
    """Tell whether a result on the CPU is not finite, or all 0; a GPU does not have to wait."""
    tensors = result if isinstance(result, list) else [result]
    return any(
        isinstance(tensor, Tensor)
        and tensor.device.type == "cpu"
        and not (np.isfinite(tensor.detach().numpy()).all() and tensor.detach().numpy().any())
        for tensor in tensors
    )


@contextmanager
def _scaled(
    network: MeasuredNetwork, values: Sequence[Tensor], sizes: Mapping[int, float]
) -> Iterator[None]:
    """Let the network have these values, those of its layers divided by their size."""
    layers = [layer.weight for layer in network.layers if not layer.computed]
    logs = [_log_size(weight, sizes.get(id(weight), 0.0)) for weight in layers]
    with (
        network.with_values(zip(network.module.parameters(), values, strict=True)),
        scaling(layers),
        ScaledArithmetic(),
    ):
        _set(layers, [weight.data for weight in layers], logs)
        yield


def _log_size(weight: Tensor, size: float) -> float:
    """Log of a known size, or else of the one to expect of torch's own draw."""
    known = 0 < size < math.inf
    return math.log(size if known else UNIFORM_SIZE * max(1, weight[0].numel()) ** 0.5)


def set_weights(network: MeasuredNetwork, weights: Sequence[Tensor], growth: float) -> None:
    """Let the layers of an unsigned network have other weights.

    Parameters
    ----------
    network : MeasuredNetwork
        What :func:`unsigned` hands to a measurement.
    weights : sequence of Tensor
        Values at the scale of the present ones, in the order of ``network.layers``.
    growth : float
        About how many times the size of the present ones they have.
    """
    layers = network.weights
    logs = [math.log(growth) if has_scale(layer) else 0.0 for layer in layers]
    _set(layers, weights, logs)


def _set(layers: Sequence[Tensor], values: Sequence[Tensor], logs: Sequence[float]) -> None:
    """Write values into layers, divided by the exponentials that are added to their scales."""
    with torch._C.DisableTorchFunction():
        scaled = torch._foreach_mul([*values], [math.exp(-log) for log in logs]) if values else []
    for layer, value, log in zip(layers, scaled, logs, strict=True):
        layer.data = value
        if has_scale(layer):
            set_log_scale(layer, log_scale(layer) + log)
