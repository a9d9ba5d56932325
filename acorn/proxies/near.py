"""near: effective rank of activations."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import HALVES, Observer, Records, proxy
from acorn.proxies._math.spectra import Spectra
from acorn.proxies._network.operations import Operation, OperationKind

WIDEST = 512
"""Channels that are looked at, at most."""


@proxy("near", reads=HALVES)
class Near(Observer):
    """Sum over layers of the effective rank of their outputs, before and after activation.

    A layer's output is a matrix of one row a pixel and one column a channel; of its rows as many
    as channels are kept. The effective rank is the exponential of the entropy of the normalised
    singular values. Layers are convolutions, linear layers, norms and activations.

    Cost: an eigenvalue problem of the number of channels a layer, in the forward that zico runs.

    What the source leaves open: which rows. The paper draws them; the released code takes a run
    of neighbouring pixels from a random place. Here they lie evenly over all images and pixels,
    so nothing is drawn. Layers of more than 512 channels are judged by 512 of them, and count in
    proportion. Averaging over draws of the weights is left to whoever runs several seeds.

    Source: Husistein et al., NEAR, ICLR 2025, definition 3.2.
    """

    def __init__(self) -> None:
        self._spectra = Spectra()
        self._weights: list[float] = []
        self._axis = 1

    def on_operation(
        self, operation: Operation, output: Float[Tensor, "batch channels ..."]
    ) -> None:
        """Add one layer's effective rank."""
        if operation.kind is not OperationKind.RECTIFIER:  # whose channels are those of its input
            self._axis = operation.channel_axis
        if output.dim() < 2 or not _counts(operation):
            return
        pixels = output.movedim(self._axis, -1).flatten(0, -2)
        width = pixels.shape[1]
        kept = min(width, WIDEST)
        rows = pixels[_evenly(len(pixels), kept, output.device)]
        if kept < width:
            rows = rows[:, _evenly(width, kept, output.device)]
        self._spectra.add(_square(rows))
        self._weights.append(width / kept)

    def value(self, _records: Records) -> Float[Tensor, ""]:
        """Sum over all layers."""
        pairs = zip(self._spectra.eigenvalues(), self._weights, strict=True)
        return torch.stack([effective_rank(squares) * weight for squares, weight in pairs]).sum()


def _square(matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, "n n"]:
    """Multiply a matrix by its transpose, on the side on which the product is smaller."""
    square = matrix.double()
    return square @ square.T if len(square) <= square.shape[1] else square.T @ square


def effective_rank(squares: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Exponential of the entropy of the normalised singular values; 0 for a matrix of zeros.

    Parameters
    ----------
    squares : Tensor (n,)
        Squares of the singular values.
    """
    singular = squares.clamp_min(0).sqrt()
    total = singular.sum()
    share = singular / total
    return torch.where(total > 0, torch.special.entr(share).sum().exp(), 0.0)


def _counts(operation: Operation) -> bool:
    return operation.kind is OperationKind.RECTIFIER or operation.weight is not None


def _evenly(length: int, count: int, device: torch.device) -> Tensor:
    """Positions of ``count`` of ``length`` elements, evenly spread; all where there are fewer."""
    if count >= length:
        return torch.arange(length, device=device)
    return torch.arange(count, device=device) * length // count
