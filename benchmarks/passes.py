"""What sharing passes is worth: ``python -m benchmarks.passes``.

Thirteen proxies by the engine, over (a) one forward and backward of the same network and batch,
and over (b) the same thirteen computed one by one. One thread, seconds of processor time, the
three taken in turn so that a drift of the machine's speed falls on all of them alike.
"""

import argparse
import copy
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median

import torch
from torch import nn
from torch.nn import functional

from benchmarks import one_by_one
from models.batches import Batch, embedded_batch
from models.datasets import get_dataset
from models.proxies import run
from models.spaces import get_space


def seconds(action: Callable[..., object], *arguments: object) -> float:
    """Processor seconds of one call."""
    start = time.process_time()
    action(*arguments)
    return time.process_time() - start


def training_step(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """One forward and backward of the cross-entropy."""
    network.zero_grad()
    functional.cross_entropy(network(images), labels).backward()


def measure(network: nn.Module, batch: Batch, num_classes: int, repeats: int) -> dict[str, float]:
    """Median seconds of a training step, the engine, one by one, and of each of its passes."""
    images, labels = batch.images, batch.labels
    trained = copy.deepcopy(network).train()
    spent: dict[str, list[float]] = defaultdict(list)

    def engine() -> None:
        names = [*one_by_one.THIRTEEN]
        result = run(network, images, labels, num_classes=num_classes, proxies=names)
        for name, wall_clock in result.seconds.items():
            spent[name].append(wall_clock)

    for _ in range(repeats + 1):
        spent["step"].append(seconds(training_step, trained, images, labels))
        spent["engine"].append(seconds(engine))
        spent["naive"].append(seconds(one_by_one.compute, network, images, labels))
    # The first round warms caches and the allocator.
    return {name: median(values[1:]) for name, values in spent.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(0)
    space, dataset = get_space("nats_tss"), get_dataset("cifar10")
    batch = embedded_batch(dataset, size=options.batch_size)
    specs = [space.example, *space.sample(options.cells - 1, seed=1)]
    measured = []
    print(f"thirteen proxies, batch of {len(batch.images)}, one thread, torch {torch.__version__}")
    for arch in (space.parse(spec).canonical for spec in specs):
        network = space.build(arch, dataset)
        row = measure(network, batch, dataset.num_classes, options.repeats)
        measured.append(row)
        print(
            f"{arch}\n  forward+backward {row['step']:.3f} s   engine {row['engine']:.3f} s   "
            f"one by one {row['naive']:.3f} s   (a) {row['engine'] / row['step']:.2f}   "
            f"(b) {row['naive'] / row['engine']:.2f}"
        )
    print("where the engine's time goes, in forwards+backwards:")
    for name in [name for name in measured[0] if name not in ("step", "engine", "naive")]:
        print(f"  {name:10s} {median(row[name] / row['step'] for row in measured):.2f}")
    a = median(row["engine"] / row["step"] for row in measured)
    b = median(row["naive"] / row["engine"] for row in measured)
    print(f"(a) engine / forward+backward: {a:.2f}")
    print(f"(b) one by one / engine:       {b:.2f}")


if __name__ == "__main__":
    main()
