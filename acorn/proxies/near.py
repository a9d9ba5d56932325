"""near: effective rank of activations."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from acorn.proxies._engine import HALVES, Observer, Records, proxy
from acorn.proxies._math.deferred import Deferred, grouped, taken
from acorn.proxies._math.spectra import smaller_square
from acorn.proxies._network.operations import Kept, Operation, OperationKind

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
        self._pending: Deferred[tuple[float, Kept]] = Deferred(self._multiply)
        self._squares: dict[tuple[int, float], list[Float[Tensor, "layers n n"]]] = {}
        self._axis = 1

    def on_operation(
        self, operation: Operation, output: Float[Tensor, "batch channels ..."]
    ) -> None:
        """Add one layer's output."""
        if operation.kind is not OperationKind.RECTIFIER:  # whose channels are those of its input
            self._axis = operation.channel_axis
        if output.dim() < 2 or not _counts(operation):
            return
        pixels = output.movedim(self._axis, -1)
        width = pixels.shape[-1]
        kept = min(width, WIDEST)
        rows = _evenly(pixels, kept)
        if kept < width:
            step, remainder = divmod(width, kept)
            spread = _positions(width, kept, rows.device) if remainder else slice(None, None, step)
            rows = rows[..., spread]
        self._pending.add((width / kept, self.keep(rows)), output)

    def reduce(self) -> None:
        """Multiply the matrices that wait with their transposes."""
        self._pending.reduce()

    def finish(self, records: Records) -> None:
        """Add the squares of all layers."""
        self._spectra = [
            (records.spectra.add(torch.cat(squares)), weight)
            for (_, weight), squares in self._squares.items()
        ]

    def value(self, records: Records) -> Float[Tensor, ""]:
        """Sum over all layers."""
        eigenvalues = records.spectra.eigenvalues()
        ranks = [effective_rank(eigenvalues[place]).sum() * each for place, each in self._spectra]
        return torch.stack(ranks).sum()

    def _multiply(self, layers: list[tuple[float, Kept]]) -> None:
        rows = [taken(kept) for _, kept in layers]
        keys = (
            (weight, each.shape, each.dtype) for (weight, _), each in zip(layers, rows, strict=True)
        )
        for (weight, *_), alike in grouped(keys).items():
            stacked = torch.stack([rows[position] for position in alike]).flatten(1, -2)
            square = smaller_square(stacked.double())
            self._squares.setdefault((square.shape[-1], weight), []).append(square)


def effective_rank(squares: Float[Tensor, "*layers n"]) -> Float[Tensor, "*layers"]:
    """Exponential of the entropy of the normalised singular values; 0 for a matrix of zeros.

    Parameters
    ----------
    squares : Tensor (..., n)
        Squares of the singular values.
    """
    singular = squares.clamp_min(0).sqrt()
    total = singular.sum(-1, keepdim=True)
    rank = torch.special.entr(singular / total).sum(-1).exp()
    return rank.masked_fill(total[..., 0] == 0, 0.0)


def _counts(operation: Operation) -> bool:
    return operation.kind is OperationKind.RECTIFIER or operation.weight is not None


def _evenly(pixels: Shaped[Tensor, "... columns"], count: int) -> Shaped[Tensor, "... columns"]:
    """Rows of a tensor, evenly spread over all but its last axis; all where there are fewer.

    If their distance divides the axes, they are a view of the tensor, of as many axes.
    """
    sizes = pixels.shape[:-1]
    length = sizes.numel()
    if count >= length:
        return pixels
    step, remainder = divmod(length, count)
    slices: list[slice] = []
    for size in reversed(sizes):
        if step % size and size % step:
            remainder = 1
            break
        slices.insert(0, slice(0, 1) if step % size == 0 else slice(None, None, step))
        step = max(step // size, 1)
    if remainder:
        return pixels.flatten(0, -2)[_positions(length, count, pixels.device)]
    return pixels[tuple(slices)]


def _positions(length: int, count: int, device: torch.device) -> Int[Tensor, " count"]:
    """Positions of ``count`` of ``length`` elements, evenly spread."""
    return torch.arange(count, device=device) * length // count
