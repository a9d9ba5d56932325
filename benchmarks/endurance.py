"""Check for leaks over a thousand networks: ``python -m benchmarks.endurance``.

All proxies of NAS-Bench-201 cells, one after the other in one process. Memory must stay constant,
and no open file, tensor or hook may remain. *In use* is the memory that the C library has
allocated, *resident* the memory that the process holds for it. The latter varies by some tens of
MiB, because large blocks are allocated and freed. Linux only.
"""

import argparse
import ctypes
import gc
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.progress import progress
from acorn.proxies import run
from acorn.spaces import get_space

STATUS = Path("/proc/self/statm")
OPEN_FILES = Path("/proc/self/fd")
PAGE = 4096


def resident() -> float:
    """Return the resident memory of this process in MiB (Linux)."""
    return int(STATUS.read_text().split()[1]) * PAGE / 2**20


class _Mallinfo(ctypes.Structure):
    """The heap statistics of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def in_use() -> float:
    """Return the allocated memory of this process in MiB (glibc 2.33 and later)."""
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = _Mallinfo
    told = ask()
    return (told.uordblks + told.hblkhd) / 2**20


def live_tensors() -> int:
    """Count the tensors that the garbage collector tracks."""
    gc.collect()
    return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())


def hooks(network: nn.Module) -> int:
    """Count hooks and replaced forwards on the modules of a network."""
    return sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks)
        + ("forward" in vars(m))
        for m in network.modules()
    )  # fmt: skip


def main() -> None:
    """Measure, and print the state after each tenth of the networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=4)
    options = parser.parse_args()

    torch.set_num_threads(1)
    space, dataset = get_space("nats_tss"), get_dataset("cifar10")
    batch = embedded_batch(dataset, size=options.batch_size)
    archs = [space.parse(spec).canonical for spec in space.sample(options.networks, seed=0)]
    marks: list[tuple[int, float, float, int, int]] = []
    random = torch.get_rng_state()
    left = nulls = 0
    start = time.process_time()
    with progress("networks") as on_progress:
        for number, arch in enumerate(archs, start=1):
            with torch.random.fork_rng(devices=[]):
                network = space.build(arch, dataset)
            result = run(network, batch.images, batch.labels, num_classes=dataset.num_classes)
            left += hooks(network)
            nulls += len(result.reasons)
            del network, result
            on_progress(number, len(archs))
            if number % max(1, len(archs) // 10) == 0:
                tensors, files = live_tensors(), len([*OPEN_FILES.iterdir()])
                marks.append((number, in_use(), resident(), tensors, files))
    print(f"{len(archs)} networks, all proxies, batch of {options.batch_size}, "
          f"{(time.process_time() - start) / len(archs):.2f} s of processor time each")  # fmt: skip
    print("networks  in use MiB  resident MiB  tensors  open files")
    for number, used, size, tensors, files in marks:
        print(f"{number:8d}  {used:10.2f}  {size:12.1f}  {tensors:7d}  {files:10d}")
    numbers, used_then, sizes, *_ = zip(*marks[1:], strict=True)  # the first tenth warms caches
    slope = statistics.linear_regression(numbers, used_then).slope
    print(f"in use: {slope * 1000:+.2f} MiB in a thousand networks; "
          f"resident: {min(sizes):.0f} to {max(sizes):.0f} MiB")  # fmt: skip
    print(f"hooks left: {left}; null values: {nulls}; random state "
          f"{'as before' if torch.equal(random, torch.get_rng_state()) else 'moved'}")  # fmt: skip


if __name__ == "__main__":
    main()
