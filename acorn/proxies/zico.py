"""zico: inverse coefficient of variation of gradients."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import HALVES, Records, proxy
from acorn.proxies._math.layout import flattened


@proxy("zico", reads=HALVES)
def zico(records: Records) -> Float[Tensor, ""]:
    """Sum over layers of the log of the sum over weights of mean |gradient| / deviation.

    Mean and (population) standard deviation are over two batches: of two gradients g and h they
    are (|g| + |h|) / 2 and |g - h| / 2. Weights whose gradients are equal, and layers of only
    such weights, are left out, as in the released code.

    Cost: a forward and backward on each half of the batch.

    What the source leaves open: the batches. The paper takes two of the dataset; here they are
    the two halves of the one batch. A quotient of two differences has heavy tails: the sum is
    governed by the few weights whose gradients all but agree.

    Source: Li et al., ZiCo, ICLR 2023.
    """
    first = records.half_gradients[0]
    one, other = (
        torch.cat(flattened(gradients, like=first)).double() for gradients in records.half_gradients
    )
    deviation = (one - other).abs_()
    quotients = one.abs_().add_(other.abs_()).div_(deviation).masked_fill_(deviation == 0, 0.0)
    layers = quotients.split([gradient.numel() for gradient in first])
    totals = torch.stack(torch._foreach_norm(layers, 1))  # no quotient is negative
    return torch.where(totals == 0, 0.0, totals.log()).sum()
