"""nwot: neural architecture search without training, second version."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import LOSS, Observer, Records, proxy
from acorn.proxies._math.layout import image_rows


@proxy("nwot", reads=LOSS)
class Nwot(Observer):
    """Log |det| of the kernel that counts, for two images, the rectifiers on which they agree.

    With codes c in {0, 1}, two images agree on units - |c| - |c'| + 2 c c' of them: one matrix
    product a layer, exact in single precision up to 2^24 units.

    Source: Mellor et al., Neural Architecture Search without Training, ICML 2021, equation 2.
    """

    def __init__(self) -> None:
        self._kernel: Float[Tensor, "batch batch"] | None = None

    def on_activation(self, output: Float[Tensor, "batch ..."]) -> None:
        """Add one layer's agreements to the kernel; windows may be folded into the batch."""
        if self._kernel is not None and len(output) != len(self._kernel):
            output = output.unflatten(0, (len(self._kernel), -1))
        code = image_rows(output > 0).to(torch.float32)
        both = (code @ code.T).double()
        active = both.diagonal()
        agreement = code.shape[1] - active[:, None] - active[None, :] + 2 * both
        self._kernel = agreement if self._kernel is None else self._kernel.add_(agreement)

    def value(self, _records: Records) -> Float[Tensor, ""]:
        """Log |det| of the kernel."""
        if self._kernel is None:
            raise ValueError("the network has no rectifier")
        return torch.linalg.slogdet(self._kernel).logabsdet
