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

from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from acorn.proxies._math.layout import laid_out_like
from acorn.proxies._network.operations import Operation

_backward = torch.ops.aten.native_batch_norm_backward.default

Maps = Float[Tensor, "batch channels ..."]
PerChannel = Float[Tensor, " channels"]


class _Normalise(Function):
    """x -> (x - mean) / s * weight + bias, by the batch's own mean and s."""

    @staticmethod
    def forward(
        ctx: Any, x: Maps, weight: PerChannel | None, bias: PerChannel | None, eps: float
    ) -> Maps:
        out, mean, inverse = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.eps = eps
        return out

    @staticmethod
    def backward(
        ctx: Any, gradient: Maps
    ) -> tuple[Maps, PerChannel | None, PerChannel | None, None]:
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
        g: Maps,
        x: Maps,
        weight: PerChannel | None,
        mean: PerChannel,
        inverse: PerChannel,
        eps: float,
    ) -> tuple[Maps, PerChannel, PerChannel]:
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
        ctx: Any, v: Maps, _dweight: None, _dbias: None
    ) -> tuple[Maps, Maps, None, None, None, None]:
        g, x, weight, mean, inverse, sum_g_xhat, sum_g = ctx.saved_tensors
        arguments = (x, weight, None, None, mean, inverse, True, ctx.eps, [True, True, True])
        gradient_g, sum_v_xhat, sum_v = _backward(laid_out_like(v, x), *arguments)
        # The sum of v g over each channel, by the kernel that sums v (g - 0) 1.
        zeros, ones = _constants(len(mean), mean.dtype, mean.device)
        _, sum_v_g, _ = _backward(
            laid_out_like(v, x), laid_out_like(g, x), None, None, None, zeros, ones, True, ctx.eps,
            [False, True, False],
        )  # fmt: skip
        sums = torch.stack([sum_v_xhat, sum_g_xhat, sum_g, sum_v, sum_v_g, ones])
        # All products of two sums, and what is needed of them, by one product of matrices.
        products = (sums[:, None] * sums).flatten(0, 1)
        terms = _combinations(x.numel() // x.shape[1], mean.dtype, mean.device) @ products
        terms *= inverse * inverse if weight is None else inverse * inverse * weight
        of_x, of_v, of_g, constant = terms
        of_x = of_x * inverse
        constant = torch.addcmul(constant, of_x, mean)
        shape = [-1 if dim == 1 else 1 for dim in range(x.dim())]
        gradient_x = torch.addcmul(constant.view(shape), x, of_x.view(shape), value=-1)
        gradient_x.addcmul_(v, of_v.view(shape), value=-1)
        gradient_x.addcmul_(g, of_g.view(shape), value=-1)
        return gradient_g, gradient_x, None, None, None, None


@lru_cache(maxsize=256)
def _combinations(count: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "4 36"]:
    """Coefficients by which products of two sums give t - 2 p q, q, p, and q <v> + p <g>.

    The sums are those of v x^, g x^, g, v, v g, over ``count`` values, and 1.
    """
    table = torch.zeros(4, 6, 6, dtype=dtype)
    p, q, g, v, vg, one = range(6)
    table[0, vg, one] = table[1, q, one] = table[2, p, one] = 1 / count
    table[0, g, v], table[0, p, q] = -1 / count**2, -3 / count**2
    table[3, q, v] = table[3, p, g] = 1 / count**2
    return table.flatten(1).to(device)


@lru_cache(maxsize=256)
def _constants(
    width: int, dtype: torch.dtype, device: torch.device
) -> tuple[PerChannel, PerChannel]:
    """Make zeros and ones, once for each width."""
    return torch.zeros(width, dtype=dtype, device=device), torch.ones(
        width, dtype=dtype, device=device
    )


def normalise(operation: Operation) -> Maps | None:
    """Compute a batch normalisation by the batch; None for one by running statistics."""
    if not operation.normalises_by_batch:
        return None
    out: Tensor = _Normalise.apply(operation.input, operation.weight, operation.bias, operation.eps)  # type: ignore[no-untyped-call]
    return out
