"""meco_opt: meco on a few channels of each module."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.proxies.meco import correlation_matrix
from models.proxies.records import Records
from models.proxies.registry import Observer, Pass, proxy

CHANNELS = 8
DRAWS = 8
MANY_CHANNELS = 256
"""Beyond, all channels' correlations cost more than those of the drawn ones."""


@proxy("meco_opt", reads=Pass.SAMPLE)
class MecoOpt(Observer):
    """Sum over all modules of C / 8 times the smallest eigenvalue of 8 channels' correlation.

    As :mod:`models.proxies.meco`, but of 8 channels drawn at random of the C that a module's
    output has: the correlation is far from singular, and wide layers weigh more. The value is
    the mean of 8 draws from a generator of its own, seeded with the run's seed; one draw, as
    released, is noisy.

    Cost: the forward that meco runs, and 8 eigenvalue problems of size 8 a module.

    What the source leaves open: modules of fewer than 8 channels, on which the released code
    fails. Here they give all they have. The rest as for meco.

    Source: Jiang et al., MeCo, NeurIPS 2023 (MeCo_opt).
    """

    def __init__(self) -> None:
        self._terms: list[Float[Tensor, ""]] = []
        self._generator: torch.Generator | None = None

    def on_output(self, _module: nn.Module, output: Float[Tensor, "1 channels ..."]) -> None:
        """Add one module's term."""
        if self._generator is None:
            self._generator = torch.Generator().manual_seed(self.seed)
        rows = output[0].reshape(len(output[0]), -1) if output[0].dim() else output[0].view(1, 1)
        keys = torch.rand((DRAWS, len(rows)), generator=self._generator)
        drawn = keys.argsort(dim=1)[:, :CHANNELS].to(rows.device)
        if drawn.shape[1] > rows.shape[1] - 1:
            return
        if len(rows) <= MANY_CHANNELS:
            whole = correlation_matrix(rows)
            drawn_of_whole = whole[drawn[:, :, None], drawn[:, None, :]]
        else:
            drawn_of_whole = correlation_matrix(rows[drawn])
        smallest = torch.linalg.eigvalsh(drawn_of_whole)[:, 0]
        self._terms.append(smallest.mean() * (len(rows) / drawn.shape[1]))

    def value(self, _records: Records) -> Tensor | float:
        """Sum over all modules."""
        return torch.stack(self._terms).nan_to_num(0).sum() if self._terms else 0.0
