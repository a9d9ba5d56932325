"""meco_opt: meco on a few channels of each module."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from acorn.proxies._engine import REDRAWN, SAMPLE, Observer, Records, proxy
from acorn.proxies._math.channel_correlation import ChannelCorrelations, correlation_of_channels
from acorn.proxies._math.deferred import Deferred, grouped, on_device, taken
from acorn.proxies._math.layout import channel_rows
from acorn.proxies._network.operations import Kept

CHANNELS = 8
SUBSETS = 4
MANY_CHANNELS = 256
"""Beyond, all channels' correlations cost more than those of the drawn ones."""


@dataclass(slots=True)
class _Output:
    """One module's output in one draw of the weights."""

    number: int  # of all outputs
    draw: int
    width: int  # channels
    place: int = -1  # in the correlations of all channels, if it is not too wide for them


@proxy("meco_opt", reads=(SAMPLE, REDRAWN))
class MecoOpt(Observer):
    """Sum over all modules of C / 8 times the smallest eigenvalue of 8 channels' correlation.

    As :mod:`acorn.proxies.meco`, but of 8 channels drawn at random of the C that a module's
    output has: the correlation is far from singular, and wide layers weigh more. One draw, as
    released, is noisy. The value is the mean over 3 draws: the network as it is, and twice with
    its weights drawn anew, each with another image; and within each over 4 draws of channels,
    from a generator of its own, seeded with the run's seed.

    Cost: the forward that meco runs and two more, and 4 eigenvalue problems of size 8 a module
    and forward.

    What the source leaves open: modules of fewer than 8 channels, on which the released code
    fails. Here they give all they have. The rest as for meco.

    Source: Jiang et al., MeCo, NeurIPS 2023 (MeCo_opt).
    """

    def __init__(self) -> None:
        self._generator: torch.Generator | None = None
        self._draw = 0
        self._channels: list[int] = []  # of each output, whether or not it counts
        self._subsets: list[Int[Tensor, "subsets drawn"]] = []  # of each of these
        self._outputs: list[_Output] = []
        self._wide: Deferred[tuple[_Output, Kept]] = Deferred(self._correlate_wide)
        self._matrices: list[Float[Tensor, "outputs subsets drawn drawn"]] = []
        self._of_matrices: list[_Output] = []
        self._redrawn: ChannelCorrelations | None = None

    def on_draw(self) -> None:
        """Begin another sum."""
        self._draw += 1

    def on_output(self, output: Float[Tensor, "..."]) -> None:
        """Add one module's output."""
        rows = channel_rows(output)
        width = len(rows)
        self._channels.append(width)
        if min(width, CHANNELS) > rows.shape[1] - 1:
            return
        this = _Output(len(self._channels) - 1, self._draw, width)
        if width > MANY_CHANNELS:
            self._wide.add((this, self.keep(rows)), rows)
        else:
            this.place = self._correlations().add(rows)
            self._outputs.append(this)

    def reduce(self) -> None:
        """Compute the correlations of the outputs that wait, and draw their channels."""
        self._correlations().reduce()
        self._wide.reduce()

    def finish(self, records: Records) -> None:
        """Add the correlations of the drawn channels."""
        self._draw_channels()
        for first in (True, False):  # the network as it is, and its other draws
            if first or self._redrawn is not None:
                collected = self.correlations if first else self._redrawn
                outputs = [each for each in self._outputs if (each.draw == 0) is first]
                assert collected is not None  # noqa: S101 - made by its first output
                self._pick(collected, outputs)
        self._positions = [records.spectra.add(matrices) for matrices in self._matrices]

    def value(self, records: Records) -> Float[Tensor, " draws"]:
        """Sum over all modules, for each draw."""
        sums = torch.zeros(self._draw + 1, dtype=torch.float64, device=records.labels.device)
        if not self._positions:
            return sums
        eigenvalues = records.spectra.eigenvalues()
        parts = [eigenvalues[position] for position in self._positions]
        smallest = torch.cat([part[..., 0].mean(1) for part in parts])
        shares = [each.width / min(each.width, CHANNELS) for each in self._of_matrices]
        draws = [each.draw for each in self._of_matrices]
        weighted = smallest * on_device(shares, sums.device, sums.dtype)
        return sums.index_add_(0, on_device(draws, sums.device, torch.int64), weighted)

    def _correlations(self) -> ChannelCorrelations:
        if self._draw == 0:
            return self.correlations
        if self._redrawn is None:
            self._redrawn = ChannelCorrelations(self.keep)
        return self._redrawn

    def _draw_channels(self) -> None:
        """Draw channels of all outputs for which none are drawn yet, in their order."""
        if self._generator is None:
            self._generator = torch.Generator().manual_seed(self.seed)
        widths = self._channels[len(self._subsets) :]
        keys = torch.rand(SUBSETS * sum(widths), generator=self._generator)
        parts = keys.split([SUBSETS * width for width in widths])
        subsets: dict[int, Tensor] = {}
        for width, alike in grouped(widths).items():
            stack = torch.stack([parts[position] for position in alike])
            order = stack.view(-1, SUBSETS, width).argsort(dim=-1)[..., :CHANNELS]
            subsets |= zip(alike, order.unbind(), strict=True)
        self._subsets += [subsets[position] for position in range(len(widths))]

    def _drawn(self, outputs: Sequence["_Output"], device: torch.device) -> Tensor:
        drawn = torch.stack([self._subsets[each.number] for each in outputs])
        return drawn.to(device, non_blocking=True)

    def _pick(self, correlations: ChannelCorrelations, outputs: Sequence["_Output"]) -> None:
        """Add the drawn channels' part of the correlations of all channels."""
        by_width = correlations.by_width()
        for width, alike in grouped(each.width for each in outputs).items():
            rows, stack = by_width[width]
            part = [outputs[position] for position in alike]
            drawn = self._drawn(part, stack.device)
            row = on_device([rows[each.place] for each in part], stack.device, torch.int64)
            picked = stack[row[:, None, None, None], drawn[..., :, None], drawn[..., None, :]]
            self._matrices.append(picked)
            self._of_matrices += part

    def _correlate_wide(self, outputs: list[tuple["_Output", Kept]]) -> None:
        """Correlate the drawn channels alone."""
        self._draw_channels()
        tensors = [taken(kept) for _, kept in outputs]
        for alike in grouped((rows.shape, rows.dtype) for rows in tensors).values():
            part = [outputs[position][0] for position in alike]
            stack = torch.stack([tensors[position] for position in alike])
            drawn = self._drawn(part, stack.device)
            row = torch.arange(len(part), device=stack.device)
            self._matrices.append(correlation_of_channels(stack[row[:, None, None], drawn]))
            self._of_matrices += part
