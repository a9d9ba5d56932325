"""eznas_a_data: the evolved score EZNAS-A, read as of gradients at rectifiers' inputs on data."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import LOGITS, Observer, Records, proxy
from acorn.proxies._math.deferred import Deferred
from acorn.proxies._math.layer_programs import programs

IMAGES = 4
"""Images whose maps are decomposed; their number scales all scores alike."""

PENDING = 2**26
"""Bytes of gradients that wait for their reduction, at most: the more, the fewer decompositions."""


@proxy("eznas_a_data", reads=LOGITS)
class EznasAData(Observer):
    """Mean over rectifiers of EZNAS' program on the gradient at their input, on images.

    The program of :mod:`acorn.proxies.eznas_a` on the gradient of the summed logits at each
    rectifier's input, ``(batch, channels, h, w)``: the matrices are whole maps. Where a
    rectifier is off its gradient is 0, and so is its sign.

    Cost: a determinant of size h for each channel of 4 images, in the backward that robust_zcp
    runs.

    What the source leaves open: of the two readings of its tensor this is the one by which the
    released code evaluates, and its published correlations hold for it. The released code leaves
    out the last rectifier, and others that no convolution and norm follow, and takes 16 images:
    on NAS-Bench-201 neither changes the order. Determinants of maps this large are either far
    above 1 or negative, so a map scores about 1 or 1/2: the score is again one of widths and of
    how many rectifiers there are of each. Maps that are not square are left out.

    Source: Akhauri et al., EZNAS, NeurIPS 2022 (EZNAS-A).
    """

    def __init__(self) -> None:
        self._pending: Deferred[Tensor] = Deferred(self._apply, PENDING)
        self._terms: list[Float[Tensor, " rectifiers"]] = []

    def on_input_gradient(self, gradient: Float[Tensor, "batch ..."]) -> None:
        """Add one rectifier's gradient."""
        if gradient.dim() == 4 and gradient.shape[-1] == gradient.shape[-2]:
            self._pending.add(gradient[:IMAGES], gradient)

    def reduce(self) -> None:
        """Compute the terms of the rectifiers that wait."""
        self._pending.reduce()

    def value(self, _records: Records) -> Float[Tensor, ""]:
        """Mean over rectifiers."""
        self.reduce()
        if not self._terms:
            raise ValueError("the network has no rectifier on a square feature map")
        return torch.cat(self._terms).mean()

    def _apply(self, gradients: list[Tensor]) -> None:
        self._terms.append(programs(gradients))
