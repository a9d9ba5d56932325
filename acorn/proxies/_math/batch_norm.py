"""BatchNorm on batch statistics whose second derivative is cheap.

PyTorch differentiates BatchNorm's backward through some twenty elementwise kernels; on a CPU that
is a quarter of a whole proxy vector. In closed form it takes one call of the fused backward, one
reduction and one linear combination of three tensors.

For one channel of N values, with x^ = (x - mean) / s, s^2 = var + eps, and <.> the mean over the
channel, the backward is  dx = (weight / s) (g - <g> - x^ <g x^>).  For a cotangent v of dx:

    gradient in g   (weight / s) (v - <v> - x^ <v x^>)                     the same operator
    gradient in x   - (weight / s^2) ((t - 2 p q) x^ + q (v - <v>) + p (g - <g>))
                    p = <v x^>,  q = <g x^>,  t = <v g> - <v><g> - p q
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from acorn.proxies._math.layout import laid_out_like
from acorn.proxies._network.operations import Operation

_backward = torch.ops.aten.native_batch_norm_backward.default


class _Normalise(Function):
    """x -> (x - mean) / s * weight + bias, by the batch's own mean and s."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> Tensor:
        out, mean, inverse = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.eps = eps
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        x, weight, mean, inverse = ctx.saved_tensors
        dx, dweight, dbias = _NormaliseBackward.apply(gradient, x, weight, mean, inverse, ctx.eps)  # type: ignore[no-untyped-call]
        return (
            dx,
            dweight if weight is not None else None,
            dbias if weight is not None else None,
            None,
        )


class _NormaliseBackward(Function):
    """The fused backward; only its gradient in x can be differentiated again."""

    @staticmethod
    def forward(
        ctx: Any,
        g: Tensor,
        x: Tensor,
        weight: Tensor | None,
        mean: Tensor,
        inverse: Tensor,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        arguments = (x, weight, None, None, mean, inverse, True, eps, [True, True, True])
        dx, sum_g_xhat, sum_g = _backward(laid_out_like(g, x), *arguments)
        ctx.save_for_backward(g, x, weight, mean, inverse, sum_g_xhat, sum_g)
        ctx.eps = eps
        ctx.mark_non_differentiable(sum_g_xhat, sum_g)
        ctx.set_materialize_grads(False)
        return dx, sum_g_xhat, sum_g

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, v: Tensor, _dweight: None, _dbias: None
    ) -> tuple[Tensor, Tensor, None, None, None, None]:
        g, x, weight, mean, inverse, sum_g_xhat, sum_g = ctx.saved_tensors
        arguments = (x, weight, None, None, mean, inverse, True, ctx.eps, [True, True, True])
        gradient_g, sum_v_xhat, sum_v = _backward(laid_out_like(v, x), *arguments)
        count = x.numel() // x.shape[1]
        others = [dim for dim in range(x.dim()) if dim != 1]
        p, q = sum_v_xhat / count, sum_g_xhat / count
        mean_v, mean_g = sum_v / count, sum_g / count
        t = torch.mul(v, g).sum(others) / count - mean_v * mean_g - p * q
        factor = -inverse.square() if weight is None else -weight * inverse.square()
        of_x = factor * (t - 2 * p * q) * inverse
        constant = -factor * (q * mean_v + p * mean_g) - of_x * mean
        shape = [-1 if dim == 1 else 1 for dim in range(x.dim())]
        gradient_x = torch.addcmul(constant.view(shape), x, of_x.view(shape))
        gradient_x.addcmul_(v, (factor * q).view(shape)).addcmul_(g, (factor * p).view(shape))
        return gradient_g, gradient_x, None, None, None, None


def normalise(operation: Operation) -> Tensor | None:
    """Compute a batch normalisation by the batch; None for one by running statistics."""
    if not operation.normalises_by_batch:
        return None
    out: Tensor = _Normalise.apply(operation.input, operation.weight, operation.bias, operation.eps)  # type: ignore[no-untyped-call]
    return out
