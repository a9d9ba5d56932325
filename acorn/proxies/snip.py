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
    pairs = zip(records.weights, records.gradients, strict=True)
    return torch.stack([(weight * gradient).abs().sum() for weight, gradient in pairs]).sum()
