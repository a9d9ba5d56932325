"""Leave a network as it was found."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from models.proxies.outputs import only_logits

BatchNorm = _BatchNorm
"""The common base of BatchNorm1d, 2d, 3d and SyncBatchNorm."""

_BATCH_NORM_FORWARDS = (_BatchNorm.forward, nn.SyncBatchNorm.forward)

Forward = Callable[[Tensor], Tensor]


@contextmanager
def preserved(network: nn.Module) -> Iterator[None]:
    """Restore modes, gradient flags, buffers and the random state afterwards, come what may.

    Inside, BatchNorm layers normalise by the batch and neither read nor write running statistics,
    all parameters want gradients, and the network returns nothing but its logits.
    """
    modes = [(module, module.training) for module in network.modules()]
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    tracking = [(norm, norm.track_running_stats) for norm in norms]
    wanted = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in network.buffers()]
    devices = sorted({p.device.index or 0 for p in network.parameters() if p.is_cuda})
    hooks: list[RemovableHandle] = []
    with torch.random.fork_rng(devices=devices), hooked(hooks):
        try:
            hooks.append(network.register_forward_hook(only_logits))
            network.train()
            for norm in norms:
                norm.track_running_stats = False
            for parameter, _ in wanted:
                if parameter.is_floating_point():
                    parameter.requires_grad_(True)
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
def replaced_forward(module: nn.Module, forward: Forward) -> Iterator[None]:
    """Give one module another ``forward`` for a while.

    Of a BatchNorm layer of somebody else's making, which may do more than normalise (timm's go on
    with an activation), only the normalisation is replaced.
    """
    own = vars(module).get("forward")  # a patch that somebody else put on the instance
    if isinstance(module, BatchNorm) and type(module).forward not in _BATCH_NORM_FORWARDS:
        forward = partial(_normalising_by, forward, module.forward)
    module.forward = forward
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own


class _Normalising(TorchFunctionMode):
    """Puts another function in place of batch normalisation."""

    def __init__(self, normalise: Forward) -> None:
        super().__init__()
        self._normalise = normalise

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.batch_norm:
            return self._normalise(args[0] if args else kwargs["input"])
        return func(*args, **kwargs)


def _normalising_by(normalise: Forward, forward: Forward, x: Tensor) -> Tensor:
    """Run a forward with another function in place of batch normalisation."""
    with _Normalising(normalise):
        return forward(x)
