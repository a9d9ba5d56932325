"""From a torch module to its layer graph: one run of one image, every operation recorded.

The run is that of a replica, on the module's own device. A module that was built on the meta device
runs on shapes alone: nothing is computed, so its forward must not read values.
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
    """Record the layer graph of a network, as it is in evaluation mode.

    Parameters
    ----------
    module
        Maps images (batch, channels, height, width) to a tensor, or to any nesting of tensors.
        It is left as it was, training flags included, also when its forward raises.
    input_shape
        (channels, height, width).
    keep_dead
        Keep the nodes that reach no output, and those that do not depend on the input.

    Returns
    -------
    LayerGraph
        Moves of whole tensors (view, permute, ...), and scaling by numbers, are passed through;
        dropout is nothing. A parameter that several layers read is counted at the first.

    Raises
    ------
    InputError
        When the forward fails, in one line.
    """
    return _record(module, input_shape).graph(keep_dead=keep_dead)


def count_params(module: nn.Module) -> int:
    """Count the parameters of the whole module, dead parts included, shared ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_flops(module: nn.Module, input_shape: InputShape) -> int:
    """Operations for one image in the published tables' convention (see :mod:`acorn.graph.aten`).

    Everything that the forward runs counts, also what reaches no output. Raises
    :class:`~acorn.errors.InputError` as :func:`trace` does.
    """
    return sum(entry.layer.flops for entry in _record(module, input_shape).entries)


def _record(module: nn.Module, input_shape: InputShape) -> Recorder:
    """Run the module on one image, or on two where its norms refuse a single value a channel."""
    replica = replicate(module)
    try:
        try:
            return _run(replica, input_shape, batch=1)
        except ValueError:
            return _run(replica, input_shape, batch=2)
    except Exception as error:  # a forward may raise anything; what it says is what helps
        raise InputError(
            f"got {type(module).__name__} that fails on images {tuple(input_shape)} "
            f"({abbreviate(one_line(error), 300)}); expected a forward that takes a batch of them"
        ) from error


def _run(replica: nn.Module, input_shape: InputShape, *, batch: int) -> Recorder:
    """Run the module once under a recorder, where it is: on the meta device, or for real."""
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
