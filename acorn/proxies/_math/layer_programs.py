"""The program that EZNAS evolved, which three proxies apply to different tensors."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._math.deferred import grouped


def programs(tensors: Sequence[Float[Tensor, "_a _b _k _k"]]) -> Float[Tensor, " tensors"]:
    """Apply :func:`program` to tensors of four dimensions, to all of one side together.

    The terms are in no particular order.
    """
    terms: list[Tensor] = []
    for of_side in grouped(tensor.shape[-1] for tensor in tensors).values():
        side = tensors[of_side[0]].shape[-1]
        shapes = grouped(tensors[position].shape for position in of_side)
        stacks = [
            torch.stack([tensors[of_side[place]] for place in places]).flatten(1, 2)
            for places in shapes.values()
        ]
        matrices = torch.cat([stack.view(-1, side, side) for stack in stacks])
        if side > 3:  # lie by columns: of singular ones, the layout decides how they round
            matrices = matrices.mT.contiguous().mT
        scores = _scores(matrices)
        sizes = [stack.shape[1] for stack in stacks for _ in range(len(stack))]
        terms += torch._foreach_norm(scores.split(sizes))
    return torch.stack(terms)


def program(tensor: Float[Tensor, "... k k"]) -> Float[Tensor, ""]:
    """Sign, log det of the last two dimensions, sigmoid, Frobenius norm.

    A negative determinant has no logarithm: the result, NaN, counts as 0, whose sigmoid is 1/2. A
    singular matrix counts as minus infinity, whose sigmoid is 0.
    """
    return _scores(tensor).norm()


def _scores(tensor: Float[Tensor, "*stack k k"]) -> Float[Tensor, "*stack"]:
    signs = tensor.sign().to(torch.promote_types(tensor.dtype, torch.float32))
    side = signs.shape[-1]
    if side == 1:
        return _sigmoid_of_log(signs)[..., 0, 0]
    if side == 3:  # many small matrices: elementwise is ten times as fast as a decomposition
        first, second, third = signs.unbind(-2)
        return _sigmoid_of_log((first.cross(second, dim=-1) * third).sum(-1))
    sign, log = torch.linalg.slogdet(signs)
    # The determinant is an integer: what is nearer to 0 than to 1 is 0 but for rounding.
    sign = torch.where(log < math.log(0.5), 0.0, sign)
    return torch.where(sign > 0, log.sigmoid(), torch.where(sign < 0, 0.5, 0.0))


def _sigmoid_of_log(determinant: Float[Tensor, "*stack"]) -> Float[Tensor, "*stack"]:
    """Sigmoid of the log of a positive determinant, d / (1 + d); else as :func:`program` says."""
    positive = determinant / (1 + determinant)
    return torch.where(determinant > 0, positive, torch.where(determinant < 0, 0.5, 0.0))
