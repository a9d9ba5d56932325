"""meco: smallest eigenvalue of the correlation of feature maps."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import SAMPLE, Observer, Records, proxy
from acorn.proxies._math.channel_correlation import correlation_of_channels
from acorn.proxies._math.layout import channel_rows, same_memory


@proxy("meco", reads=SAMPLE)
class Meco(Observer):
    """Sum over all modules of the smallest eigenvalue of their channels' Pearson correlation.

    Each module's output for one image, ``(C, ...)``, is read as C rows of pixels; containers
    count as well as what they contain, so that a block's last layer counts as often as blocks
    end with it. Where channels outnumber the pixels less one, the smallest eigenvalue is 0.

    Cost: one forward of one image of at least 64 pixels a side, and an eigenvalue problem of size
    C a module.

    What the source leaves open: the image. The paper asks for one random datum; the released
    code for NAS-Bench-201 feeds Gaussian noise of 64 x 64 whatever the dataset, its other copy an
    image of the batch. Here it is Gaussian noise of the input's own size, but of no less than 64
    pixels a side: at 32 x 32, a third of the cells have as many channels as pixels, and count
    nothing. BatchNorm normalises by this one image.

    Source: Jiang et al., MeCo, NeurIPS 2023.
    """

    def __init__(self) -> None:
        self._terms: list[Float[Tensor, ""]] = []
        self._last: tuple[Tensor, int] | None = None

    def on_output(self, output: Float[Tensor, "..."]) -> None:
        """Add one module's smallest eigenvalue."""
        rows = channel_rows(output)
        if len(rows) > rows.shape[1] - 1:
            return
        # A container hands on its last child's output: the same memory, read a moment ago.
        if self._last is None or not same_memory(*self._last, rows):
            self._smallest = torch.linalg.eigvalsh(correlation_of_channels(rows))[0]
        self._last = (rows, rows._version)
        self._terms.append(self._smallest)

    def value(self, _records: Records) -> Tensor | float:
        """Sum over all modules."""
        return torch.stack(self._terms).nan_to_num(0).sum() if self._terms else 0.0
