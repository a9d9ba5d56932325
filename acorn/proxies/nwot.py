"""nwot: neural architecture search without training, second version."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import LOSS, Observer, Records, proxy
from acorn.proxies._math.deferred import Deferred, taken
from acorn.proxies._math.layout import active_units, image_rows
from acorn.proxies._network.operations import Kept


@proxy("nwot", reads=LOSS)
class Nwot(Observer):
    """Log |det| of the kernel that counts, for two images, the rectifiers on which they agree.

    With codes c in {0, 1}, two images agree on units - |c| - |c'| + 2 c c' of them: one matrix
    product a layer, exact in single precision up to 2^24 units.

    Source: Mellor et al., Neural Architecture Search without Training, ICML 2021, equation 2.
    """

    def __init__(self) -> None:
        self._pending: Deferred[Kept] = Deferred(self._multiply)
        self._batch: int | None = None
        self._units = 0
        self._both: Float[Tensor, "batch batch"] | None = None

    def on_activation(self, output: Float[Tensor, "batch ..."]) -> None:
        """Add one layer; windows may be folded into the batch."""
        if self._batch is None:
            self._batch = len(output)
        if len(output) != self._batch:
            output = output.unflatten(0, (self._batch, -1))
        rows = image_rows(output)
        self._pending.add(self.keep(rows), rows)

    def reduce(self) -> None:
        """Add up the layers that wait."""
        self._pending.reduce()

    def value(self, _records: Records) -> Float[Tensor, ""]:
        """Log |det| of the kernel."""
        if self._both is None:
            raise ValueError("the network has no rectifier")
        active = self._both.diagonal()
        kernel = self._units - active[:, None] - active[None, :] + 2 * self._both
        return torch.linalg.slogdet(kernel).logabsdet

    def _multiply(self, layers: list[Kept]) -> None:
        codes = active_units([taken(kept) for kept in layers])
        both = (codes @ codes.T).double()
        self._units += codes.shape[1]
        self._both = both if self._both is None else self._both.add_(both)
