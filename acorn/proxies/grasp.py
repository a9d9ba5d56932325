"""grasp: gradient signal preservation."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import HESSIAN, Records, proxy


@proxy("grasp", reads=HESSIAN)
def grasp(records: Records) -> Float[Tensor, ""]:
    """Negative sum of weight * (H g), H the Hessian and g the gradient of the loss.

    The sign is the one of Abdelfattah et al., ICLR 2021.

    Source: Wang et al., Picking Winning Tickets Before Training by Preserving Gradient Flow,
    ICLR 2020, equation 8.
    """
    pairs = zip(records.weights, records.hessian_gradients, strict=True)
    return -torch.stack([(weight * curved).sum() for weight, curved in pairs]).sum()
