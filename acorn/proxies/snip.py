"""snip: connection sensitivity."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import LOSS, Records, proxy


@proxy("snip", reads=LOSS)
def snip(records: Records) -> Float[Tensor, ""]:
    """Sum of |weight * gradient|: how much the loss depends on each connection.

    Source: Lee et al., SNIP, ICLR 2019, equation 5, summed over the network as by Abdelfattah et
    al., ICLR 2021.
    """
    products = torch._foreach_mul(records.weights, records.gradients)
    return torch.stack(torch._foreach_norm(products, 1, dtype=torch.float64)).sum()
