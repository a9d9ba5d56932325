"""From a torch module to its layer graph: one run on the meta device, every operation recorded.

The run touches neither weights nor memory: parameters and buffers are replaced by shapes for its
duration, so any python control flow works that does not read values.
"""

import torch
from torch import Tensor, nn

from models.errors import InputError, abbreviate
from models.graph import LayerGraph
from models.modes import evaluating
from models.recorder import Recorder

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
        When the forward cannot run on shapes alone, in one line.
    """
    return _record(module, input_shape).graph(keep_dead=keep_dead)


def count_params(module: nn.Module) -> int:
    """Count the parameters of the whole module, dead parts included, shared ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_flops(module: nn.Module, input_shape: InputShape) -> int:
    """Operations for one image in the published tables' convention (see :mod:`models.aten`).

    Everything that the forward runs counts, also what reaches no output. Raises
    :class:`~models.errors.InputError` as :func:`trace` does.
    """
    return sum(entry.layer.flops for entry in _record(module, input_shape).entries)


def _record(module: nn.Module, input_shape: InputShape) -> Recorder:
    """Run the module on one image, or on two where its norms refuse a single value a channel."""
    try:
        try:
            return _run(module, input_shape, batch=1)
        except ValueError:
            return _run(module, input_shape, batch=2)
    except Exception as error:  # a forward may raise anything; what it says is what helps
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"got {type(module).__name__} that fails on shapes {tuple(input_shape)} alone "
            f"({abbreviate(reason, 300)}); expected a forward that reads no values"
        ) from error


def _run(module: nn.Module, input_shape: InputShape, *, batch: int) -> Recorder:
    """Run the module once on the meta device under a recorder."""
    parameters = {name: _shape_of(weight) for name, weight in module.named_parameters()}
    buffers = {name: _shape_of(buffer) for name, buffer in module.named_buffers()}
    floating = (w.dtype for w in parameters.values() if w.dtype.is_floating_point)
    dtype = next(floating, torch.float32)
    image = torch.empty((batch, *input_shape), dtype=dtype, device="meta")
    recorder = Recorder(image, parameters)
    # A forward that draws constants must not move torch's generator.
    with evaluating(module.modules()), torch.random.fork_rng(devices=[]), torch.no_grad(), recorder:
        result = torch.func.functional_call(module, parameters | buffers, (image,))
    recorder.finish(result)
    return recorder


def _shape_of(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, device="meta", requires_grad=False)
