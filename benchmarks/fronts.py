"""Share of a true front that chosen architectures reach, for benchmarks of searches."""

from collections.abc import Sequence

import moocore
import numpy as np

Floats = np.ndarray


class FrontShare:
    """Share of the hypervolume of the front of a population.

    Values are scaled to the population's range. The worst value of each objective is the reference.

    Parameters
    ----------
    values : ndarray of shape (architectures, objectives)
        More is better.
    """

    def __init__(self, values: Floats) -> None:
        self._scaled = (values - values.min(axis=0)) / np.ptp(values, axis=0)
        self._whole = self._volume(self._scaled)

    def of(self, rows: Sequence[int] | Floats) -> float:
        """Share that some architectures reach."""
        return self._volume(self._scaled[rows]) / self._whole

    def at_random(self, sizes: Sequence[int], draws: int = 200) -> list[float]:
        """Mean share of so many architectures drawn at random."""
        rng = np.random.default_rng(0)
        orders = [rng.permutation(len(self._scaled)) for _ in range(draws)]
        return [float(np.mean([self.of(order[:n]) for order in orders])) for n in sizes]

    def along(self, order: Sequence[int] | Floats, sizes: Sequence[int]) -> list[float]:
        """Share of the first architectures of an order."""
        return [self.of(order[:n]) for n in sizes]

    @staticmethod
    def _volume(scaled: Floats) -> float:
        return float(moocore.hypervolume(-scaled, ref=[0.0] * scaled.shape[1]))


def print_row(name: str, shares: Sequence[float]) -> None:
    """Print the shares of a strategy."""
    print(f"{name:32s} " + " ".join(f"{share:7.3f}" for share in shares), flush=True)
