"""Let a network's layers use the forms whose second derivatives are cheap."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from acorn.graph.modes import transparent_attention
from acorn.proxies._math.batch_norm import normalise
from acorn.proxies._math.convolution import Wanted, convolve
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.operations import (
    Operation,
    OperationKind,
    Replacement,
    is_plain_rectifier,
)


@contextmanager
def cheap_second_derivatives(network: MeasuredNetwork) -> Iterator[Wanted]:
    """Replace batch normalisations, convolutions and rectifiers for a while.

    So are those that PyTorch can differentiate once only: attention's fused kernels, and the hard
    sigmoid. Values and first derivatives are those of the layers themselves. Gives the switch with
    which a backward over the same graph can leave the convolutions' weights out.
    """
    wanted = Wanted()
    replacements: dict[OperationKind, Replacement] = {
        OperationKind.BATCH_NORM: normalise,
        OperationKind.CONVOLUTION: partial(convolve, wanted),
        OperationKind.RECTIFIER: _rectify,
        OperationKind.HARD_SIGMOID: _hard_sigmoid,
    }
    with transparent_attention(), network.operations.replacing(replacements):
        yield wanted


class _Rectify(Function):
    """max(x, 0), whose second derivative is nothing, where PyTorch computes zeros."""

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        out = torch.relu(x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        (out,) = ctx.saved_tensors
        masked: Tensor = torch.ops.aten.threshold_backward.default(gradient, out.detach(), 0)
        return masked


def _rectify(operation: Operation) -> Tensor | None:
    if not is_plain_rectifier(operation):
        return None
    out: Tensor = _Rectify.apply(operation.input)  # type: ignore[no-untyped-call]
    return out


def _hard_sigmoid(operation: Operation) -> Tensor:
    return functional.relu6(operation.input + 3) / 6
