"""Measure how much several networks in a message would save: ``python -m benchmarks.batching``.

Different networks have different weights, so a batch of them shares no computation. It could save
messages to and from the workers. This benchmark compares the time of a message, measured with a
compute function that returns immediately, with the time of the computation: for a forest that needs
only the traced graph, which is the cheapest case, and for a forest with proxies. It prints medians
of processor time for the computation and of wall-clock time for the message.
"""

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.forests import Manifest
from acorn.forests import manifest as files
from acorn.forests.manifest import MANIFEST
from acorn.spaces import get_space
from service.workers import PoolLimits, WorkerPool
from service.workers.feature_work import FeatureTask, FeatureWorkFactory

RELEASED = Path("models/released")
SPACE = get_space("nats_tss")
MESSAGES = 500


class Echo:
    """Factory of a compute function that returns a row of realistic size immediately."""

    def __init__(self, row: FeatureRow) -> None:
        self._row = row

    def __call__(self, index: int) -> Callable[[FeatureTask], FeatureRow]:  # noqa: ARG002
        """Return the compute function."""
        return lambda _: self._row


def recipe_of(name: str) -> FeatureRecipe:
    folder = RELEASED / name
    manifest = Manifest.from_bytes((folder / MANIFEST).read_bytes())
    return FeatureRecipe(
        FeatureTable.read(folder / files.FEATURES).settings, tuple(manifest.features)
    )


async def message_seconds(task: FeatureTask, row: FeatureRow) -> float:
    """Measure the wall-clock seconds of a network in the pool, without the computation."""
    pool = WorkerPool[FeatureTask, FeatureRow](Echo(row), PoolLimits())
    pool.start()
    try:
        taken = []
        for number in range(MESSAGES):
            start = time.perf_counter()
            await pool.compute({str(number): task})
            taken.append(time.perf_counter() - start)
        return median(taken[1:])
    finally:
        await pool.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cells = [SPACE.parse(cell).canonical for cell in SPACE.sample(options.networks + 1, seed=0)]
    for name in ("universal-cifar10", "nats_tss-cifar10"):
        work = FeatureWorkFactory("cpu", 1)(0)
        tasks = [FeatureTask(SPACE.name, cell, recipe_of(name)) for cell in cells]
        row = work(tasks[0])
        taken = []
        for task in tasks[1:]:
            start = time.process_time()
            work(task)
            taken.append(time.process_time() - start)
        message = asyncio.run(message_seconds(tasks[0], row))
        print(
            f"{name}: work {1e3 * median(taken):.1f} ms a network, message "
            f"{1e3 * message:.2f} ms: batches save at most {message / median(taken):.2%}"
        )


if __name__ == "__main__":
    main()
