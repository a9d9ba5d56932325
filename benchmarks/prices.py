"""Measure what proxies cost and what they tell: ``python -m benchmarks.prices``.

For some sets of features: processor seconds of one network, and Kendall tau of the learner for few
labels with 0, 10 and 25 labels on the three labelled spaces (those of ``benchmarks.few_labels``;
means of draws). Networks are the largest cell of NAS-Bench-201 and one of DARTS with 20 cells and
36 channels, with a batch of 16 images on one core. The structure features need no weights and no
images. ``--untimed`` leaves out sets whose computation takes minutes.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.features.network_features import NetworkFeatures
from acorn.learning.evaluation_metrics import tau
from acorn.learning.few_labels import prior_ranks
from acorn.learning.few_labels.columns import USUALLY_HELPFUL
from acorn.proxies import SETS, list_proxies
from acorn.spaces import get_space
from benchmarks.correlations import BATCH_SIZE, SPACES
from benchmarks.few_labels import Population, few

SETS_OF_PROXIES: dict[str, Sequence[str]] = {
    "structure": (),
    "with nwot": ("nwot",),
    "with evolved_channel_rank": ("evolved_channel_rank",),
    f"with {', '.join(USUALLY_HELPFUL)}": USUALLY_HELPFUL,
    "with classic proxies": sorted(SETS["classic"]),
    "with all proxies": list_proxies(),
}
SIZES = (10, 25)
DENSE_CELL = (
    "|nor_conv_3x3~0|+"
    + "|nor_conv_3x3~0|nor_conv_3x3~1|+"
    + ("|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|")
)


def seconds(space: str, arch: str, proxies: Sequence[str]) -> float:
    """Measure the processor seconds of the features of one network, built included."""
    dataset = get_dataset("cifar10")
    batch = embedded_batch(dataset, size=BATCH_SIZE) if proxies else None
    features = NetworkFeatures(dataset, tuple(proxies), 0, batch)
    start = time.process_time()
    features.rows([{"space": space, "arch": arch}])
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--untimed", nargs="*", default=[], help="sets that are not timed")
    options = parser.parse_args()
    torch.set_num_threads(1)

    populations = {space: Population.read(space, options.shared) for space in SPACES}
    columns = [f"{space} {size}" for space in SPACES for size in (0, *SIZES)]
    print(f"{'features':50s}{'cell s':>8s}{'DARTS s':>9s}" + "".join(f"{c:>18s}" for c in columns))
    networks = (("nats_tss", DENSE_CELL), ("darts", get_space("darts").example))
    for name, proxies in SETS_OF_PROXIES.items():
        spent = [float("nan")] * 2
        if name not in options.untimed:
            for space, arch in networks:  # the first computation warms up
                seconds(space, arch, proxies[:1])
            spent = [seconds(space, arch, proxies) for space, arch in networks]
        taus = []
        for population in populations.values():
            part = population.with_proxies(proxies)
            y = part.Y[:, 0]
            taus.append(tau(y, prior_ranks(part.X, part.names)))
            for size in SIZES:
                scores = []
                for draw, labelled, rest in part.draws(size, options.draws):
                    values, _ = few(part, labelled, part.Y[labelled][:, :1], draw)
                    scores.append(tau(y[rest], values[rest, 0]))
                taus.append(float(np.mean(scores)))
        shown = "".join(f"{value:18.3f}" for value in taus)
        print(f"{name:50s}{spent[0]:8.2f}{spent[1]:9.2f}{shown}", flush=True)


if __name__ == "__main__":
    main()
