"""l2_norm: weight norm at initialisation."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import SURVEY, Records, proxy


@proxy("l2_norm", reads=SURVEY)
def l2_norm(records: Records) -> Float[Tensor, ""]:
    """Sum over layers of the Euclidean norm of the weights.

    Source: Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021.
    """
    return torch.stack(torch._foreach_norm(records.weights)).sum()
