"""meco: smallest eigenvalue of the correlation of feature maps."""

from collections import Counter

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import SAMPLE, Observer, Records, proxy
from acorn.proxies._math.deferred import on_device
from acorn.proxies._math.layout import channel_rows


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
        self._places: list[int] = []

    def on_output(self, output: Float[Tensor, "..."]) -> None:
        """Add one module's output."""
        rows = channel_rows(output)
        if len(rows) <= rows.shape[1] - 1:
            self._places.append(self.correlations.add(rows))

    def reduce(self) -> None:
        """Compute the correlations of the outputs that wait."""
        self.correlations.reduce()

    def finish(self, records: Records) -> None:
        """Add the correlations of the outputs that count."""
        self._spectra: list[tuple[int, list[float]]] = []
        counts = Counter(self._places)
        for rows, matrices in self.correlations.by_width().values():
            places = [place for place in rows if place in counts]
            if not places:
                continue
            if len(places) < len(rows):  # of others, meco_opt alone has a use
                picked = [rows[place] for place in places]
                matrices = matrices[on_device(picked, matrices.device, torch.int64)]
            weights = [float(counts[place]) for place in places]
            self._spectra.append((records.spectra.add(matrices), weights))

    def value(self, records: Records) -> Float[Tensor, ""] | float:
        """Sum over all modules."""
        if not self._spectra:
            return 0.0
        eigenvalues = records.spectra.eigenvalues()
        smallest = torch.cat([eigenvalues[position][:, 0] for position, _ in self._spectra])
        weights = [weight for _, part in self._spectra for weight in part]
        return smallest @ on_device(weights, smallest.device, smallest.dtype)
