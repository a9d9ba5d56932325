"""The program that EZNAS evolved, which three proxies apply to different tensors."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def program(tensor: Float[Tensor, "... k k"]) -> Float[Tensor, ""]:
    """Sign, log det of the last two dimensions, sigmoid, Frobenius norm.

    A negative determinant has no logarithm: the result, NaN, counts as 0, whose sigmoid is 1/2. A
    singular matrix counts as minus infinity, whose sigmoid is 0.
    """
    signs = tensor.sign().to(torch.promote_types(tensor.dtype, torch.float32))
    side = signs.shape[-1]
    if side == 1:
        return _sigmoid_of_log(signs).norm()
    if side == 3:  # many small matrices: elementwise is ten times as fast as a decomposition
        first, second, third = signs.unbind(-2)
        return _sigmoid_of_log((first.cross(second, dim=-1) * third).sum(-1)).norm()
    sign, log = torch.linalg.slogdet(signs)
    # The determinant is an integer: what is nearer to 0 than to 1 is 0 but for rounding.
    sign = torch.where(log < math.log(0.5), 0.0, sign)
    return torch.where(sign > 0, log.sigmoid(), torch.where(sign < 0, 0.5, 0.0)).norm()


def _sigmoid_of_log(determinant: Tensor) -> Tensor:
    """Sigmoid of the log of a positive determinant, d / (1 + d); else as :func:`program` says."""
    positive = determinant / (1 + determinant)
    return torch.where(determinant > 0, positive, torch.where(determinant < 0, 0.5, 0.0))
