"""Another draw of a network's weights, for passes that average over several."""

from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def redrawn_parameters(network: nn.Module) -> dict[str, Tensor]:
    """Draw parameters as the modules' own ``reset_parameters`` do; the network keeps its own.

    A parameter that no module draws so keeps its value. Goes on from the random state, but not
    along the path by which a network is built from the same seed.

    Returns
    -------
    dict
        What :func:`torch.func.functional_call` takes in place of the network's parameters.
    """
    # Else a network built from the pass's own seed would be drawn once more as it is.
    torch.manual_seed(int(torch.randint(2**62, ())))
    own = [(module, module._parameters, module._buffers) for module in network.modules()]
    copies: dict[int, Any] = {}  # by identity: tensors that modules share stay shared
    try:
        for module, parameters, buffers in own:
            for home, tensors in (("_parameters", parameters), ("_buffers", buffers)):
                fresh = {
                    name: None if tensor is None else copies.setdefault(id(tensor), _copy(tensor))
                    for name, tensor in tensors.items()
                }
                setattr(module, home, fresh)
        for module in reversed([*network.modules()]):  # children first, as they are built
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
        return {name: parameter.detach() for name, parameter in network.named_parameters()}
    finally:
        for module, parameters, buffers in own:
            module._parameters, module._buffers = parameters, buffers


def _copy(tensor: Tensor) -> Tensor:
    copy = tensor.detach().clone()
    return nn.Parameter(copy, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copy
