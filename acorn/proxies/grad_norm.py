"""grad_norm: gradient norm at initialisation."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import LOSS, Records, proxy


@proxy("grad_norm", reads=LOSS)
def grad_norm(records: Records) -> Float[Tensor, ""]:
    """Sum over layers of the Euclidean norm of the loss gradient.

    Source: Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021, section 3.1.
    """
    return torch.stack(torch._foreach_norm(records.gradients)).sum()
