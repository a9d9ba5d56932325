"""Convolution whose second derivative is cheap.

PyTorch writes the weight's part of convolution's second derivative as a convolution with a kernel
as large as the image, which no CPU library is fast at. The same numbers come from the ordinary
backward kernels: with g the output's gradient, and vx and vw cotangents of the two gradients,

    gradient in g   vx * w + x * vw
    gradient in x   the input's gradient of the convolution with weight vw, at g
    gradient in w   the weight's gradient of the convolution of vx, at g
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from acorn.proxies._network.operations import Operation, per_axis, safe_arguments

Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]
"""Stride, padding, dilation, groups."""

Input = Float[Tensor, "... channels height width"]
Output = Float[Tensor, "... filters rows columns"]
Weight = Float[Tensor, "filters group_channels kernel_height kernel_width"]


@dataclass(slots=True)
class Wanted:
    """Whether a backward needs the weights' gradients.

    Autograd prunes what nobody asked for inside its own functions, but does not tell a Python
    function what that is; whoever starts the backward says it here.
    """

    weights: bool = True


def _backward(
    g: Output, x: Input, w: Weight, geometry: Geometry, *wanted: bool
) -> tuple[Tensor | None, ...]:
    stride, padding, dilation, groups = geometry
    outputs: tuple[Tensor | None, ...] = torch.ops.aten.convolution_backward.default(
        g, x, w, None, stride, padding, dilation, False, [0] * len(stride), groups,
        [*wanted, False],
    )  # fmt: skip
    return outputs


class _Convolve(Function):
    """x, w -> x * w; the bias is added outside, where autograd does it as well."""

    @staticmethod
    def forward(ctx: Any, x: Input, w: Weight, geometry: Geometry, wanted: Wanted) -> Output:
        ctx.save_for_backward(x, w)
        ctx.geometry = geometry
        ctx.wanted = wanted
        return functional.conv2d(x, w, None, *geometry)

    @staticmethod
    def backward(ctx: Any, g: Output) -> tuple[Input | None, Weight | None, None, None]:
        x, w = ctx.saved_tensors
        needs_x, needs_w = ctx.needs_input_grad[:2]
        wanted = (needs_x, needs_w and ctx.wanted.weights)
        dx, dw = _ConvolveBackward.apply(g, x, w, ctx.geometry, *wanted)  # type: ignore[no-untyped-call]
        return dx, dw, None, None


class _ConvolveBackward(Function):
    """Both gradients of a convolution, and their own gradient."""

    @staticmethod
    def forward(
        ctx: Any, g: Output, x: Input, w: Weight, geometry: Geometry, *wanted: bool
    ) -> tuple[Input | None, Weight | None]:
        ctx.save_for_backward(g, x, w)
        ctx.geometry = geometry
        ctx.set_materialize_grads(False)
        dx, dw, _ = _backward(g, x, w, geometry, *wanted)
        return dx, dw

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, vx: Input | None, vw: Weight | None) -> tuple[Tensor | None, ...]:
        g, x, w = ctx.saved_tensors
        of_g: Tensor | None = None
        of_x: Tensor | None = None
        of_w: Tensor | None = None
        if vx is not None:
            of_g = functional.conv2d(vx, w, None, *ctx.geometry)
            of_w = _backward(g, vx, w, ctx.geometry, False, True)[1]
        if vw is not None:
            part = functional.conv2d(x, vw, None, *ctx.geometry)
            of_g = part if of_g is None else of_g.add_(part)
            if ctx.needs_input_grad[1]:
                of_x = _backward(g, x, vw, ctx.geometry, True, False)[0]
        return of_g, of_x, of_w, None, None, None


def convolve(wanted: Wanted, operation: Operation) -> Output | None:
    """Compute a convolution of maps; None where its padding has a name."""
    if operation.function is not torch.conv2d or isinstance(
        operation.arguments.get("padding"), str
    ):
        return None
    arguments = safe_arguments(operation)
    stride, padding, dilation = (
        per_axis(arguments.get(name, default), 2)
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    geometry = (stride, padding, dilation, arguments.get("groups", 1))
    out: Tensor = _Convolve.apply(arguments["input"], operation.weight, geometry, wanted)  # type: ignore[no-untyped-call]
    return out if operation.bias is None else out + operation.bias[:, None, None]
