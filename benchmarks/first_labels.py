"""Measure what suggestions save with few labels: ``python -m benchmarks.first_labels``.

Members of the three labelled spaces (populations of ``benchmarks.few_labels``, structure and
proxies) are labelled in an order at random, and in the order of ``acorn suggest`` without labels.
The learner for few labels predicts 150 held-out members: medians of Kendall's tau over draws. The
last column is the number of labels at random that have the same median, by linear interpolation;
``>`` marks more than were drawn.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acorn.learning.evaluation_metrics import tau
from acorn.learning.few_labels.columns import prior_matrix
from benchmarks.correlations import SPACES
from benchmarks.few_labels import Population, few
from training.active_learning.batch_selection import select_batch
from training.active_learning.kernel import Kernel, rank_transform

SUGGESTED = (10, 25, 50)
AT_RANDOM = (10, 15, 25, 40, 50, 75)
HELD_OUT = 150


def curves(population: Population, draws: int) -> tuple[dict[int, float], dict[int, float]]:
    """Return the median tau by number of labels: at random, and suggested."""
    prior = prior_matrix(population.X, population.names, all_proxies=False)
    kernel = Kernel.of(rank_transform(population.X), prior)
    y = population.Y[:, 0]
    at_random: dict[int, list[float]] = {size: [] for size in AT_RANDOM}
    suggested: dict[int, list[float]] = {size: [] for size in SUGGESTED}
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(y))
        held, pool = order[:HELD_OUT], order[HELD_OUT:]
        chosen = np.array(select_batch(kernel, [], pool.tolist(), max(SUGGESTED), seed=draw))

        def score(
            rows: NDArray[np.int64], held: NDArray[np.int64] = held, draw: int = draw
        ) -> float:
            values, _ = few(population, rows, population.Y[rows][:, :1], draw)
            return tau(y[held], values[held, 0])

        for size, taus in at_random.items():
            taus.append(score(pool[:size]))
        for size, taus in suggested.items():
            taus.append(score(chosen[:size]))
    medians = (
        {size: float(np.median(taus)) for size, taus in curve.items()}
        for curve in (at_random, suggested)
    )
    return next(medians), next(medians)


def equal_number(value: float, at_random: dict[int, float]) -> str:
    """Return the number of labels at random that have a tau."""
    sizes = [*at_random]
    rising = np.maximum.accumulate([*at_random.values()])
    if value > rising[-1]:
        return f">{sizes[-1]}"
    return f"{np.interp(value, rising, sizes):.0f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--spaces", nargs="*", default=SPACES)
    options = parser.parse_args()
    head = ("labels", "random", "suggested", "same as random")
    print(f"{'space':16s}" + "".join(f"{column:>16s}" for column in head))
    for space in options.spaces:
        at_random, suggested = curves(Population.read(space, options.shared), options.draws)
        for size, value in suggested.items():
            same = equal_number(value, at_random)
            print(
                f"{space:16s}{size:16d}{at_random[size]:16.3f}{value:16.3f}{same:>16s}", flush=True
            )


if __name__ == "__main__":
    main()
