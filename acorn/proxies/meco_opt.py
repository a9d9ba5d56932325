"""meco_opt: meco on a few channels of each module."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import REDRAWN, SAMPLE, Observer, Records, proxy
from acorn.proxies._math.channel_correlation import correlation_of_channels
from acorn.proxies._math.layout import channel_rows, same_memory
from acorn.proxies._math.spectra import Spectra

CHANNELS = 8
SUBSETS = 4
MANY_CHANNELS = 256
"""Beyond, all channels' correlations cost more than those of the drawn ones."""


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
        self._spectra = Spectra()
        self._draws: list[list[float]] = [[]]
        self._generator: torch.Generator | None = None
        self._last: tuple[Tensor, int] | None = None

    def on_draw(self) -> None:
        """Begin another sum."""
        self._draws.append([])

    def on_output(self, output: Float[Tensor, "..."]) -> None:
        """Add one module's term."""
        if self._generator is None:
            self._generator = torch.Generator().manual_seed(self.seed)
        rows = channel_rows(output)
        keys = torch.rand((SUBSETS, len(rows)), generator=self._generator)
        drawn = keys.argsort(dim=1)[:, :CHANNELS].to(rows.device)
        if drawn.shape[1] > rows.shape[1] - 1:
            return
        if len(rows) <= MANY_CHANNELS:
            # A container hands on its last child's output: the same memory, read a moment ago.
            if self._last is None or not same_memory(*self._last, rows):
                self._whole = correlation_of_channels(rows)
            self._last = (rows, rows._version)
            drawn_of_whole = self._whole[drawn[:, :, None], drawn[:, None, :]]
        else:
            drawn_of_whole = correlation_of_channels(rows[drawn])
        self._spectra.add(drawn_of_whole)
        self._draws[-1].append(len(rows) / drawn.shape[1])

    def value(self, _records: Records) -> Float[Tensor, " draws"]:
        """Sum over all modules, for each draw."""
        if not len(self._spectra):
            return torch.zeros(len(self._draws))
        smallest = iter(self._spectra.eigenvalues())
        terms = ([next(smallest)[:, 0].mean() * each for each in draw] for draw in self._draws)
        return torch.stack([torch.stack(each).nan_to_num(0).sum() for each in terms])
