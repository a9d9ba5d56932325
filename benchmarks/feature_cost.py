"""Processor seconds of the features of one network on one core, and hours of 50,000 networks.

``python -m benchmarks.feature_cost`` computes the features of a few sampled networks of each space,
as ``acorn features`` does, in batches of 32 images.
"""

import argparse
import time

import torch

from acorn.features.extractor import get_extractor
from acorn.features.recipe import FeatureRecipe
from acorn.spaces import get_space

SETS: dict[str, list[str]] = {"structure": [], "classic": ["classic"], "all": ["all"]}
NETWORKS = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spaces", default="nats_tss,darts", help="Spaces, with commas.")
    parser.add_argument("--networks", type=int, default=6, help="Networks of each space.")
    parser.add_argument("--sets", default=",".join(SETS), help="Sets of proxies, with commas.")
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'space':<16}{'features':<12}{'mean s':>8}{'least s':>9}{'most s':>9}{'hours':>8}")
    for space in options.spaces.split(","):
        for name in options.sets.split(","):
            seconds = measure(space, SETS[name], options.networks, options.batch_size)
            mean = sum(seconds) / len(seconds)
            print(
                f"{space:<16}{name:<12}{mean:8.2f}{min(seconds):9.2f}{max(seconds):9.2f}"
                f"{mean * NETWORKS / 3600:8.1f}",
                flush=True,
            )


def measure(name: str, proxies: list[str], networks: int, batch_size: int) -> list[float]:
    """Processor seconds of each network; one more is computed first, to warm up."""
    space = get_space(name)
    recipe = FeatureRecipe.create("cifar10", proxies, batch_size=batch_size)
    extractor = get_extractor(recipe, "cpu")
    seconds = []
    for arch in space.sample(networks + 1, seed=5):
        start = time.process_time()
        extractor.compute(space, space.parse(arch).canonical)
        seconds.append(time.process_time() - start)
    return seconds[1:]


if __name__ == "__main__":
    main()
