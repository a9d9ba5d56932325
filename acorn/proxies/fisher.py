"""fisher: Fisher pruning's channel saliency."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import LOSS, Observer, Records, proxy
from acorn.proxies._network.operations import Operation


@proxy("fisher", reads=LOSS)
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
        operation: Operation,
        output: Float[Tensor, "batch ..."],
        gradient: Float[Tensor, "batch ..."],
    ) -> None:
        """Add one layer's channels."""
        weight = operation.weight
        assert weight is not None  # noqa: S101 - of a convolution or linear layer
        product = (output * gradient).movedim(operation.channel_axis, 1)
        saliency = product.sum([*range(2, product.dim())]) if product.dim() > 2 else product
        self._terms.append(saliency.square().mean(0).sum() * (0.5 * weight[0].numel()))

    def value(self, _records: Records) -> Float[Tensor, ""]:
        """Sum over all layers."""
        return torch.stack(self._terms).sum()
