"""plain: first-order saliency, with its sign."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import LOSS, Records, proxy
from acorn.proxies._math.layout import flattened


@proxy("plain", reads=LOSS, unstable=True)
def plain(records: Records) -> Float[Tensor, ""]:
    """Sum of weight * gradient.

    A convolution under BatchNorm does not change the loss when it is scaled, so its share is zero
    but for BatchNorm's epsilon (Euler's theorem): what is left is mostly the classifier's.

    Source: Mozer and Smolensky, Skeletonization, NeurIPS 1988; as a proxy in Abdelfattah et al.,
    ICLR 2021.
    """
    products = torch._foreach_mul(records.weights, records.gradients)
    return torch.cat(flattened(products, like=products)).sum(dtype=torch.float64)
