"""fisher: Fisher pruning's channel saliency."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import LOSS, Observer, Records, proxy
from acorn.proxies._math.deferred import Deferred, on_device
from acorn.proxies._network.operations import Operation


@proxy("fisher", reads=LOSS)
class Fisher(Observer):
    """Sum over channels of half the mean squared saliency; saliency sums a * dL/da over positions.

    a is the output of a convolution or linear layer. As in Abdelfattah et al., ICLR 2021, each
    channel counts once for every weight that produces it.

    Source: Turner et al., BlockSwap, ICLR 2020, equation 4; after Theis et al., 2018.
    """

    def __init__(self) -> None:
        self._pending: Deferred[tuple[Operation, Tensor, Tensor]] = Deferred(self._sum)
        self._saliencies: list[Float[Tensor, "batch channels"]] = []
        self._scales: list[float] = []

    def on_gradient(
        self,
        operation: Operation,
        output: Float[Tensor, "batch ..."],
        gradient: Float[Tensor, "batch ..."],
    ) -> None:
        """Add one layer's channels."""
        self._pending.add((operation, output, gradient), output)

    def reduce(self) -> None:
        """Sum the saliencies of the layers that wait over positions."""
        self._pending.reduce()

    def value(self, _records: Records) -> Float[Tensor, ""]:
        """Sum over all layers."""
        squares = torch.stack(torch._foreach_norm(self._saliencies)).square()
        return squares @ on_device(self._scales, squares.device, squares.dtype)

    def _sum(self, layers: list[tuple[Operation, Tensor, Tensor]]) -> None:
        operations, outputs, gradients = zip(*layers, strict=True)
        products = torch._foreach_mul(outputs, gradients)
        for operation, product in zip(operations, products, strict=True):
            weight = operation.weight
            assert weight is not None  # noqa: S101 - of a convolution or linear layer
            moved = product.movedim(operation.channel_axis, 1)
            saliency = moved.sum([*range(2, moved.dim())]) if moved.dim() > 2 else moved
            self._saliencies.append(saliency)
            self._scales.append(0.5 * weight[0].numel() / len(saliency))
