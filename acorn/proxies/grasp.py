"""grasp: gradient signal preservation."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import HESSIAN, Records, proxy
from acorn.proxies._math.layout import flattened


@proxy("grasp", reads=HESSIAN)
def grasp(records: Records) -> Float[Tensor, ""]:
    """Negative sum of weight * (H g), H the Hessian and g the gradient of the loss.

    The sign is the one of Abdelfattah et al., ICLR 2021.

    Source: Wang et al., Picking Winning Tickets Before Training by Preserving Gradient Flow,
    ICLR 2020, equation 8.
    """
    products = torch._foreach_mul(records.weights, records.hessian_gradients)
    return -torch.cat(flattened(products, like=products)).sum(dtype=torch.float64)
