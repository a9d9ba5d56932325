"""fisher: Fisher pruning's channel saliency."""

import torch
from jaxtyping import Float
from torch import Tensor

from models.proxies.records import Records
from models.proxies.registry import Observer, Pass, proxy


@proxy("fisher", reads=Pass.LOSS)
class Fisher(Observer):
    """Sum over channels of half the mean squared saliency; saliency sums a * dL/da over positions.

    a is the output of a convolution or linear layer. As in Abdelfattah et al., ICLR 2021, each
    channel counts once for every weight that produces it.

    Source: Turner et al., BlockSwap, ICLR 2020, equation 4; after Theis et al., 2018.
    """

    def __init__(self) -> None:
        self._terms: list[Float[Tensor, ""]] = []

    def on_gradient(
        self,
        weight: Float[Tensor, "out ..."],
        output: Float[Tensor, "batch channels ..."],
        gradient: Float[Tensor, "batch channels ..."],
    ) -> None:
        """Add one layer's channels."""
        product = output * gradient
        saliency = product.sum([*range(2, product.dim())]) if product.dim() > 2 else product
        weights_a_channel = weight[0].numel()
        self._terms.append(saliency.square().mean(0).sum() * (0.5 * weights_a_channel))

    def value(self, _records: Records) -> Float[Tensor, ""]:
        """Sum over all layers."""
        return torch.stack(self._terms).sum()
