"""swap: number of sample-wise activation patterns."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import HALVES, Observer, Records, proxy
from acorn.proxies._math.deferred import Deferred, grouped, taken
from acorn.proxies._math.layout import active_units, image_rows
from acorn.proxies._network.operations import Kept

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
        self._halves: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._pending = tuple(
            Deferred[Kept](partial(_add_bits, patterns)) for patterns in self._halves
        )

    def on_activation(self, output: Float[Tensor, "batch ..."]) -> None:
        """Add one layer on the first half."""
        self._add(output, 0)

    def on_second_activation(self, output: Float[Tensor, "batch ..."]) -> None:
        """Add one layer on the second half."""
        self._add(output, 1)

    def reduce(self) -> None:
        """Compute the bits of the layers that wait."""
        for pending in self._pending:
            pending.reduce()

    def value(self, _records: Records) -> Float[Tensor, ""]:
        """Count the different patterns."""
        self.reduce()
        if not self._halves[1]:
            raise ValueError("the network has no rectifier after a feature map")
        first, second = (torch.cat(patterns) for patterns in self._halves)
        ordered = (first + second * 2.0**IMAGES).sort().values
        return 1 + (ordered[1:] != ordered[:-1]).sum(dtype=torch.float64)

    def _add(self, output: Tensor, half: int) -> None:
        if output.dim() == 4:
            rows = image_rows(output[:IMAGES])
            self._pending[half].add(self.keep(rows), rows)


def _add_bits(patterns: list[Float[Tensor, " units"]], layers: list[Kept]) -> None:
    """Add the bits of each unit of these layers, as one number a unit."""
    rows = [taken(kept) for kept in layers]
    for alike in grouped(len(images) for images in rows).values():
        active = active_units([rows[position] for position in alike])
        powers = 2.0 ** torch.arange(len(active), dtype=active.dtype, device=active.device)
        patterns.append((powers @ active).double())
