"""Leave a network as it was found."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

BatchNorm = _BatchNorm
"""The common base of BatchNorm1d, 2d, 3d and SyncBatchNorm."""


@contextmanager
def preserved(network: nn.Module) -> Iterator[None]:
    """Restore modes, gradient flags, buffers and the random state afterwards, come what may.

    Inside, BatchNorm layers normalise by the batch and neither read nor write running statistics.
    """
    modes = [(module, module.training) for module in network.modules()]
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    tracking = [(norm, norm.track_running_stats) for norm in norms]
    wanted = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in network.buffers()]
    devices = sorted({p.device.index or 0 for p in network.parameters() if p.is_cuda})
    with torch.random.fork_rng(devices=devices):
        try:
            network.train()
            for norm in norms:
                norm.track_running_stats = False
            network.requires_grad_(True)
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for norm, tracks in tracking:
                norm.track_running_stats = tracks
            for parameter, flag in wanted:
                parameter.requires_grad_(flag)
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)


@contextmanager
def hooked(handles: list[RemovableHandle]) -> Iterator[None]:
    """Remove these hooks afterwards."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def bypassed(network: nn.Module, kind: type[nn.Module]) -> Iterator[None]:
    """Make every submodule of one kind the identity for a while."""

    def identity(x: Tensor) -> Tensor:
        return x

    with ExitStack() as stack:
        for module in network.modules():
            if isinstance(module, kind):
                stack.enter_context(replaced_forward(module, identity))
        yield


@contextmanager
def replaced_forward(module: nn.Module, forward: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Give one module another ``forward`` for a while."""
    own = vars(module).get("forward")  # a patch that somebody else put on the instance
    module.forward = forward
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own
