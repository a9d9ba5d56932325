"""Tracing: from a torch module to its layer graph, by recording one forward pass.

A replica runs on the module's own device. A module on the meta device runs on shapes alone:
nothing is computed, so its forward must not read values.
"""

import math

import torch
from torch import nn

from acorn.errors import InputError, abbreviate, one_line
from acorn.graph.layer_graph import LayerGraph
from acorn.graph.modes import evaluating, transparent_attention
from acorn.graph.recorder import Recorder
from acorn.graph.replica import replicate

InputShape = tuple[int, ...]
"""(channels, height, width) of one image."""


def trace(module: nn.Module, input_shape: InputShape, *, keep_dead: bool = False) -> LayerGraph:
    """Record the layer graph of a network in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        Maps images (batch, channels, height, width) to a tensor, or to any nesting of tensors.
        It is not changed, also if its forward raises.
    input_shape : tuple of int
        (channels, height, width).
    keep_dead : bool, default=False
        Keep the nodes that reach no output, and those that do not depend on the input. FLOPs and
        MACs are then those of everything that the forward runs.

    Returns
    -------
    LayerGraph
        Moves of whole tensors (view, permute, ...), scaling by numbers and dropout are no nodes. A
        parameter that several layers read is counted at the first.

    Raises
    ------
    InputError
        If the forward fails.
    """
    replica = replicate(module)
    try:
        try:
            recorder = _run(replica, input_shape, batch=1)
        except ValueError:  # a norm that refuses a single value per channel
            recorder = _run(replica, input_shape, batch=2)
    except Exception as error:  # a forward may raise anything; its message is what helps
        raise InputError(
            f"got {type(module).__name__} that fails on images {tuple(input_shape)} "
            f"({abbreviate(one_line(error), 300)}); expected a forward that takes a batch of them"
        ) from error
    return recorder.graph(keep_dead=keep_dead)


def trace_shapes(module: nn.Module, input_shape: InputShape) -> LayerGraph:
    """Record the layer graph without computing values, unless the forward reads some.

    Parameters
    ----------
    module : torch.nn.Module
        As for :func:`trace`; it is not changed.
    input_shape : tuple of int
        (channels, height, width).

    Returns
    -------
    LayerGraph
        That of :func:`trace`, in less time for a large network.

    Raises
    ------
    InputError
        If the forward fails.
    """
    shapes = replicate(module, lambda tensor: torch.empty_like(tensor, device="meta"))
    try:
        return trace(shapes, input_shape)
    except InputError:  # the forward reads values
        return trace(module, input_shape)


def count_params(module: nn.Module) -> int:
    """Count the parameters of a module, dead parts included, shared parameters once.

    Parameters
    ----------
    module : torch.nn.Module
        Any module.

    Returns
    -------
    int
        Number of parameters.
    """
    return sum(parameter.numel() for parameter in module.parameters())


def _run(replica: nn.Module, input_shape: InputShape, *, batch: int) -> Recorder:
    """Run a module once under a recorder, on its own device."""
    tensors = [*replica.parameters(), *replica.buffers()]
    device = tensors[0].device if tensors else torch.device("cpu")
    floating = (t.dtype for t in tensors if t.is_floating_point())
    pixels = torch.linspace(-1, 1, math.prod(input_shape), device=device)
    image = pixels.reshape(input_shape).to(next(floating, torch.float32))
    images = image.expand(batch, *input_shape).clone()
    recorder = Recorder(images, dict(replica.named_parameters()))
    # A forward that draws constants must not move torch's generator.
    with (
        evaluating(replica.modules()),
        torch.random.fork_rng(devices=[]),
        transparent_attention(),
        torch.no_grad(),
        recorder,
    ):
        result = replica(images)
    recorder.finish(result)
    return recorder
