"""Correlations of rows: of the input Jacobian, and of the channels of activations."""

from collections import defaultdict
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._math.deferred import Deferred, grouped, taken
from acorn.proxies._math.layout import same_memory
from acorn.proxies._network.operations import Kept

CONSTANT = (
    "the logits do not depend on an image: a layer on the way has weights of zero, or runs without "
    "gradients"
)
"""What a row that is constant means."""

EPSILON = 1e-5
"""The k of jacov and epe_nas, which keeps their logs and quotients finite."""


def correlation(rows: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """Pearson correlation of rows in double precision; NaN where a row is constant."""
    centred = rows.double() - rows.double().mean(dim=1, keepdim=True)
    unit = centred / centred.norm(dim=1, keepdim=True)
    return (unit @ unit.T).clamp(-1, 1)


def correlation_of_channels(rows: Float[Tensor, "... n d"]) -> Float[Tensor, "... n n"]:
    """Pearson correlation of rows in double precision; 0 where a row is constant."""
    mean = rows.mean(dim=-1, keepdim=True, dtype=torch.float64)
    centred = rows - mean
    covariance = centred @ centred.mT
    length = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    # A constant row's mean may round: what is left of it is no signal.
    constant = length <= 1e-12 * rows.shape[-1] ** 0.5 * mean.squeeze(-1).abs()
    scale = length.reciprocal().masked_fill(constant, 0.0)
    return covariance.mul_(scale[..., :, None]).mul_(scale[..., None, :])


class ChannelCorrelations:
    """Correlation of the channels of many outputs, for all outputs of one shape together.

    An output that is the same view of memory as the one before it counts as that one: a container
    hands on its last layer's output, and several observers may look at one output.

    Parameters
    ----------
    keep : callable
        Keeps a tensor's values, also if the network writes to it later.
    """

    def __init__(self, keep: Callable[[Tensor], Kept]) -> None:
        self._keep = keep
        self.clear()

    def clear(self) -> None:
        """Forget all outputs."""
        self._pending: Deferred[tuple[int, Kept]] = Deferred(self._correlate)
        self._count = 0
        self._last: tuple[Tensor, int] | None = None
        self._stacks: dict[int, list[Float[Tensor, "outputs n n"]]] = defaultdict(list)
        self._places: dict[int, list[int]] = defaultdict(list)

    def add(self, rows: Float[Tensor, "n d"]) -> int:
        """Add one output, a row a channel.

        Returns
        -------
        int
            Number of the output.
        """
        if self._last is None or not same_memory(*self._last, rows):
            self._last = (rows, rows._version)
            self._count += 1
            self._pending.add((self._count - 1, self._keep(rows)), rows)
        return self._count - 1

    def reduce(self) -> None:
        """Compute the correlations of all outputs that wait; their memory is free then."""
        self._pending.reduce()

    def by_width(self) -> dict[int, tuple[dict[int, int], Float[Tensor, "outputs n n"]]]:
        """Correlations of all outputs with one number of channels, for each such number.

        Returns
        -------
        dict of int to tuple
            By number of channels: where each output is in the stack, by its number; and the stack.
        """
        self.reduce()
        for stacks in self._stacks.values():
            if len(stacks) > 1:
                stacks[:] = [torch.cat(stacks)]
        return {
            width: ({place: row for row, place in enumerate(self._places[width])}, stacks[0])
            for width, stacks in self._stacks.items()
        }

    def _correlate(self, outputs: list[tuple[int, Kept]]) -> None:
        places = [place for place, _ in outputs]
        rows = [taken(kept) for _, kept in outputs]
        for alike in grouped((each.shape, each.dtype) for each in rows).values():
            stack = correlation_of_channels(torch.stack([rows[position] for position in alike]))
            self._stacks[stack.shape[-1]].append(stack)
            self._places[stack.shape[-1]] += [places[position] for position in alike]
