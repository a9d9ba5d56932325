"""swap: number of sample-wise activation patterns."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from acorn.proxies._engine import HALVES, Observer, Records, proxy
from acorn.proxies._math.layout import image_rows

IMAGES = 16
"""Images of each half of the batch, at most: their bits are exact in single precision."""


@proxy("swap", reads=HALVES)
class Swap(Observer):
    """Number of different activation patterns: the images that each rectifier is active on.

    A rectifier's pattern has one bit an image; the score counts the different ones among all
    units of all feature maps.

    Cost: a matrix product of width 16 a rectifier and half, in the forwards that zico runs, and
    one sort of all patterns.

    What the source leaves open: the number of images. Its code takes 16, of whose 2^16 patterns
    a full-sized network has nearly all; here they are 32, 16 of each half of the batch (fewer
    where the batch is smaller). The regularisation by a preferred number of parameters is a
    choice of search, and left out.

    Source: Peng et al., SWAP-NAS, ICLR 2024.
    """

    def __init__(self) -> None:
        self._halves: list[Int[Tensor, " units"]] = []
        self._patterns: list[Int[Tensor, " units"]] = []

    def on_activation(self, output: Float[Tensor, "batch ..."]) -> None:
        """Note one layer's bits on the first half."""
        if output.dim() == 4:
            self._halves.append(_bits(output))

    def on_second_activation(self, output: Float[Tensor, "batch ..."]) -> None:
        """Put the bits on the second half beside those on the first."""
        if output.dim() == 4:
            first = self._halves[len(self._patterns)]
            self._patterns.append(first + (_bits(output) << IMAGES))

    def value(self, _records: Records) -> Int[Tensor, ""]:
        """Count the different patterns."""
        if not self._patterns:
            raise ValueError("the network has no rectifier after a feature map")
        ordered = torch.cat(self._patterns).sort().values
        return 1 + (ordered[1:] != ordered[:-1]).sum()


def _bits(output: Tensor) -> Int[Tensor, " units"]:
    active = image_rows(output[:IMAGES] > 0).to(torch.float32)
    return (2.0 ** torch.arange(len(active), device=output.device) @ active).long()
