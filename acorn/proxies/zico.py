"""zico: inverse coefficient of variation of gradients."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import HALVES, Records, proxy


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
    terms = []
    for one, other in zip(*records.half_gradients, strict=True):
        size = one.double().abs() + other.double().abs()
        deviation = (one.double() - other.double()).abs()
        total = torch.where(deviation > 0, size / deviation, 0.0).sum()
        terms.append(torch.where(total > 0, total.log(), 0.0))
    return torch.stack(terms).sum()
