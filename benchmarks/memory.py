"""Compare peak memory of all proxies and of a training step: ``python -m benchmarks.memory``.

A training step is a forward, a backward and a step of SGD with momentum; the second step is
measured, so that the momentum exists. All proxies are computed in one call. Both have the same
network, batch and number of threads, and a separate process each. The memory of the process with
the network is subtracted:

- *allocated*: maximum of the bytes that torch's allocator has allocated; on a CPU according to
  torch's profiler, on CUDA ``torch.cuda.max_memory_allocated``.
- *resident*: growth of the process (Linux, CPU), which includes the memory of kernel libraries and
  memory that the C library keeps.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from acorn.batches import Batch, embedded_batch
from acorn.datasets import get_dataset
from acorn.proxies import run
from acorn.spaces import get_space

CELLS = 2
STATUS = Path("/proc/self/status")


def train(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Run two steps of SGD with momentum."""
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        optimiser.zero_grad()
        functional.cross_entropy(network(images), labels).backward()
        optimiser.step()


def allocated(action: Callable[[], object], device: str) -> int:
    """Return the maximum of allocated bytes, minus those before."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        action()
        return torch.cuda.max_memory_allocated() - before
    # The profiler counts from its own start.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        action()
    waiting = [*profiled.profiler.kineto_results.experimental_event_tree()]
    most = 0
    while waiting:
        event = waiting.pop()
        waiting.extend(event.children)
        most = max(most, getattr(event.extra_fields, "total_allocated", 0))
    return most


def resident(action: Callable[[], object]) -> int | None:
    """Return the growth of the process in bytes, or None if the system does not report it."""
    if not STATUS.exists():
        return None
    Path("/proc/self/clear_refs").write_text("5")  # lets the high-water mark start anew
    before = _status("VmRSS")
    action()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[key].split()[0]) * 1024


def child(what: str, arch: str, batch_size: int) -> dict[str, int | None]:
    """Measure the training step or all proxies of a network in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    space, dataset = get_space("nats_tss"), get_dataset("cifar10")
    batch: Batch = embedded_batch(dataset, size=batch_size)
    images, labels = batch.images.to(device), batch.labels.to(device)
    network = space.build(arch, dataset).to(device).train()

    def action() -> None:
        if what == "step":
            train(network, images, labels)
        else:
            run(network, images, labels, num_classes=dataset.num_classes)

    grown = resident(action) if device == "cpu" else None  # first: what was freed is kept
    return {"allocated": allocated(action, device), "resident": grown}


def compare(arch: str, batch_size: int) -> dict[str, float]:
    """Print both for one network; return the ratio of their memory."""
    got = {}
    for what in ("step", "vector"):
        command = [sys.executable, "-m", "benchmarks.memory", "--child", what, "--arch", arch]
        command += ["--batch-size", str(batch_size)]
        result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        got[what] = json.loads(result.stdout.splitlines()[-1])
    over = {
        kind: got["vector"][kind] / got["step"][kind]
        for kind in ("allocated", "resident")
        if got["step"][kind]
    }
    print(arch)
    for kind, ratio in over.items():
        step, vector = (got[what][kind] / 2**20 for what in ("step", "vector"))
        print(f"  {kind:9s} step {step:6.0f} MiB   vector {vector:6.0f} MiB   ratio {ratio:.2f}")
    return over


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=CELLS)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--child", choices=("step", "vector"), help=argparse.SUPPRESS)
    parser.add_argument("--arch", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.arch, options.batch_size)))
        return
    report(options.cells, options.batch_size)


def report(cells: int, batch_size: int) -> None:
    """Compare on the same cells as :mod:`benchmarks.passes`."""
    space = get_space("nats_tss")
    print(f"peak memory, batch of {batch_size}: all proxies over a step of SGD with momentum")
    specs = [space.example, *space.sample(cells - 1, seed=1)]
    ratios = [compare(space.parse(spec).canonical, batch_size) for spec in specs]
    for kind in ratios[0]:
        print(f"(c) {kind}, at most: {max(ratio[kind] for ratio in ratios):.2f}")


if __name__ == "__main__":
    main()
