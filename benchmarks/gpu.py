"""Test and measure the engine on a GPU: ``python -m benchmarks.gpu --out gpu``.

Needs a CUDA device, torch and numpy; parts that need more packages say which ones and are left out.
It ends within eight minutes, prints as it goes, and writes ``gpu.json`` and ``gpu.md`` after each
part:

- *agreement*: every proxy of some networks on the device and on the CPU. Median and largest
  relative difference, and Kendall's tau between both.
- *waits*: launches and synchronising calls of one network, for thirteen and for all proxies.
- *rates*: networks per second, for one, two and four processes, and batches of 32 and 64: one by
  one in plain PyTorch, the engine with the same thirteen proxies, and with all; beside them one
  forward and backward.
- *memory*: peak memory of all proxies over that of a training step, and what a network that does
  not fit leads to.
- *server*: seconds of a first request for proxies, and of one after the worker is killed.
- *labels*: one epoch of ``acorn label --bfloat16``.
- *tests*: the tests of the CUDA path.

Without a CUDA device it exits with 2. ``--device cpu --tiny`` runs the same parts on a CPU with
small sizes.
"""

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import multiprocessing, nn
from torch.profiler import ProfilerActivity, profile

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.proxies import list_proxies, run
from acorn.spaces import get_space
from benchmarks import memory, one_by_one, operations
from benchmarks.passes import training_step

ROOT = Path(__file__).resolve().parents[1]

BUDGET = 480.0
"""Seconds of all parts together."""

SYNCHRONISING = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel")
NETWORKS = {"nats_tss": 10, "nats_sss": 4, "nasbench_macro": 4, "darts": 1, "graph": 1}
"""How many networks of each space are compared."""

Result = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What is measured, and for how long.

    Attributes
    ----------
    device : str
        Name of a torch device.
    tiny : bool
        Whether sizes are those of a test.
    end : float
        Time of the monotonic clock at which measuring ends.
    """

    device: str
    tiny: bool
    end: float

    @property
    def proxies(self) -> list[str]:
        """Proxies that count as all."""
        return ["nwot", "synflow", "near"] if self.tiny else list_proxies()

    def left(self) -> float:
        """Seconds that are left."""
        return self.end - time.monotonic()


class LeftOutError(Exception):
    """A part that cannot be measured here; the message says why."""


def need(*packages: str) -> None:
    """Leave the part out if packages are missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise LeftOutError(f"needs {', '.join(missing)}")


def networks(settings: Settings) -> Iterator[tuple[str, nn.Module]]:
    """Build the networks to compare."""
    dataset = get_dataset("cifar10")
    for name, n in NETWORKS.items():
        space = get_space(name)
        sampled = space.sample(n - 1, seed=1) if n > 1 and not settings.tiny else []
        if settings.tiny and name not in ("nats_tss", "nats_sss"):
            continue
        for spec in [space.example, *sampled]:
            arch = space.parse(spec).canonical
            torch.manual_seed(0)
            yield f"{name}/{arch}", space.build(arch, dataset)


def rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Kendall's tau-b; 1 for fewer than two values."""
    signs = [np.sign(np.subtract.outer(values, values)) for values in (left, right)]
    norm = float(np.sqrt(np.abs(signs[0]).sum() * np.abs(signs[1]).sum()))
    return float((signs[0] * signs[1]).sum()) / norm if norm else 1.0


def tests(settings: Settings) -> Result:
    """Run the tests of the CUDA path."""
    need("pytest", "hypothesis", "beartype")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/proxies/test_cuda.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=settings.left(),
    )
    return {"passed": done.returncode == 0, "summary": done.stdout.strip().splitlines()[-1]}


def agreement(settings: Settings) -> Result:
    """Compare the values of both devices."""
    dataset = get_dataset("cifar10")
    batch = embedded_batch(dataset, size=4 if settings.tiny else 16)
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in settings.proxies}
    measured = 0
    for name, network in networks(settings):
        if settings.left() < 0.6 * BUDGET:
            break
        values = []
        for device in ("cpu", settings.device):
            placed = network.to(device)
            images, labels = batch.images.to(device), batch.labels.to(device)
            found = run(
                placed, images, labels, num_classes=dataset.num_classes, proxies=settings.proxies
            )
            values.append(found.values)
        for proxy, both in pairs.items():
            one, other = (each[proxy] for each in values)
            if (one is None) != (other is None):
                raise ValueError(f"{proxy} of {name}: {one} on the CPU, {other} on the device")
            if one is not None and other is not None:
                both.append((one, other))
        measured += 1
    rows = {}
    for proxy, both in pairs.items():
        if both:
            cpu, device_values = np.array(both).T
            scale = np.abs(cpu).clip(1e-12)
            off = np.abs(device_values - cpu) / scale
            tau = rank_correlation(cpu.tolist(), device_values.tolist())
            rows[proxy] = {"median": float(np.median(off)), "most": float(off.max()), "tau": tau}
    return {"networks": measured, "proxies": rows}


def waits(settings: Settings) -> Result:
    """Count launches and synchronising calls of the example cell."""
    counted = {}
    for what, names in (("thirteen", [*one_by_one.THIRTEEN]), ("all", settings.proxies)):
        network, images, labels, classes = operations.example(
            "nats_tss", 4 if settings.tiny else 32
        )
        placed = network.to(settings.device)
        images, labels = images.to(settings.device), labels.to(settings.device)
        action = partial(run, placed, images, labels, num_classes=classes, proxies=names)
        action()
        kinds = [ProfilerActivity.CPU]
        if settings.device != "cpu":
            kinds.append(ProfilerActivity.CUDA)
        with profile(activities=kinds) as profiled:
            action()
        events = {event.key: event for event in profiled.key_averages()}
        counted[what] = {
            "launches": sum(events[key].count for key in LAUNCHES if key in events),
            "synchronisations": sum(events[key].count for key in SYNCHRONISING if key in events),
            "operations": sum(e.count for key, e in events.items() if key.startswith("aten::")),
        }
    return counted


def _work(
    settings: Settings, what: str, batch_size: int, seconds: float, barrier: Any, counts: Any
) -> None:
    """Measure networks until the time is over; runs in a process of its own."""
    torch.set_num_threads(1)
    space, dataset = get_space("nats_tss"), get_dataset("cifar10")
    batch = embedded_batch(dataset, size=batch_size)
    images, labels = batch.images.to(settings.device), batch.labels.to(settings.device)
    names = [*one_by_one.THIRTEEN] if what == "thirteen" else settings.proxies
    archs = [space.parse(spec).canonical for spec in [space.example, *space.sample(5, seed=1)]]

    def measure(number: int) -> None:
        network = space.build(archs[number % len(archs)], dataset).to(settings.device)
        if what == "step":
            training_step(network, images, labels)
        elif what == "one by one":
            one_by_one.compute(network, images, labels)
        else:
            run(network, images, labels, num_classes=dataset.num_classes, proxies=names)
        if settings.device != "cpu":
            torch.cuda.synchronize()

    measure(0)
    barrier.wait()
    start, done = time.monotonic(), 0
    while time.monotonic() < start + seconds:
        measure(done)
        done += 1
    counts.put(done / (time.monotonic() - start))


def rate(settings: Settings, what: str, processes: int, batch_size: int) -> float:
    """Measure the networks per second of some processes together."""
    context = multiprocessing.get_context("spawn")
    barrier, counts = context.Barrier(processes), context.Queue()
    seconds = 0.5 if settings.tiny else 8.0
    arguments = (settings, what, batch_size, seconds, barrier, counts)
    started = [context.Process(target=_work, args=arguments) for _ in range(processes)]
    for process in started:
        process.start()
    total = sum(counts.get(timeout=max(1.0, settings.left())) for _ in started)
    for process in started:
        process.join()
    return total


def rates(settings: Settings) -> Result:
    """Measure the networks per second of all ways."""
    ways = [
        (what, processes, 32)
        for processes in (1, 2, 4)
        for what in ("one by one", "thirteen", "all")
    ]
    ways += [("step", 1, 32), ("thirteen", 1, 64), ("all", 1, 64)]
    if settings.tiny:
        ways = [("one by one", 1, 4), ("all", 2, 4)]
    found = {}
    for what, processes, batch_size in ways:
        if settings.left() < 60 and not settings.tiny:
            break
        key = f"{what}, {processes} processes, batch of {batch_size}"
        found[key] = rate(settings, what, processes, batch_size)
        print(f"  {key}: {found[key]:.2f} networks/s", flush=True)
    return found


def peak_memory(settings: Settings) -> Result:
    """Compare peak memory, and compute a network that does not fit."""
    space = get_space("nats_tss")
    arch = space.parse(space.example).canonical
    ratio = memory.compare(arch, 4 if settings.tiny else 32)["allocated"]
    if settings.device == "cpu":
        return {"allocated, over a training step": ratio}
    dataset = get_dataset("cifar10")
    batch = embedded_batch(dataset, size=256)
    images, labels = batch.images.to(settings.device), batch.labels.to(settings.device)
    network = space.build(arch, dataset).to(settings.device)
    action = partial(run, network, images, labels, num_classes=dataset.num_classes)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.002)
    try:
        action(proxies=["jacov"])
        refusal = "none: it fitted"
    except torch.cuda.OutOfMemoryError as error:
        refusal = type(error).__name__
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    after = action(proxies=["nwot"]).values["nwot"]
    return {
        "allocated, over a training step": ratio,
        "too large": refusal,
        "next network has a value": after is not None,
    }


def _post(port: int, body: Mapping[str, object], patience: float) -> float:
    """Send a request for proxies; returns its seconds."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/proxies",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    start = time.monotonic()
    with urllib.request.urlopen(request, timeout=patience) as response:  # noqa: S310
        json.load(response)
    return time.monotonic() - start


def server(settings: Settings) -> Result:
    """Ask a server for proxies, kill its worker, and ask again."""
    need("fastapi", "uvicorn", "polars", "pydantic", "psutil")
    import psutil

    from benchmarks.server import running

    archs = ["40:16:24:32:8", "8:48:16:56:32", "24:8:40:16:48"]
    seconds = {}
    with running("training.commands serve", "--device", settings.device) as started:
        for what, arch in zip(("first", "second", "after a killed worker"), archs, strict=True):
            if what == "after a killed worker":
                children = psutil.Process(started.pid).children(recursive=True)
                worker = max(children, key=lambda process: process.memory_info().rss)
                os.kill(worker.pid, signal.SIGKILL)
            body = {"architectures": [{"space": "nats_sss", "arch": arch}], "proxies": ["snip"]}
            seconds[what] = _post(started.port, body, max(30.0, settings.left()))
    return seconds


def labels(settings: Settings) -> Result:
    """Train one network for one epoch."""
    need("polars", "pydantic", "typer", "numpy")
    with tempfile.TemporaryDirectory() as folder:
        n, rng = (64 if settings.tiny else 10_000), np.random.default_rng(0)
        arrays: dict[str, Any] = {}
        for part, size in (("train", n), ("test", n // 4)):
            arrays[f"x_{part}"] = rng.integers(0, 256, (size, 32, 32, 3), dtype=np.uint8)
            arrays[f"y_{part}"] = rng.integers(0, 10, size)
        np.savez(Path(folder) / "images.npz", **arrays)
        Path(folder, "archs.txt").write_text("8:8:8:8:8\n")
        command = [sys.executable, "-m", "training.commands", "label", "--space", "nats_sss"]
        command += ["--archs", "archs.txt", "--dataset", "cifar10", "--images", "images.npz"]
        command += ["--epochs", "1", "--out", "labels.parquet", "--device", settings.device]
        command.append("--bfloat16")
        start = time.monotonic()
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=max(30.0, settings.left()),
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return {"images": n, "seconds": time.monotonic() - start}


PARTS: Mapping[str, Callable[[Settings], Result]] = {
    "agreement": agreement,
    "waits": waits,
    "rates": rates,
    "memory": peak_memory,
    "server": server,
    "labels": labels,
    "tests": tests,
}


def lines_of(result: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Write a result as rows of a table: a path of names, and a value."""
    for name, value in result.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from lines_of(value, f"{path}, ")
        else:
            yield f"| {path} | {f'{value:.4g}' if isinstance(value, float) else value} |"


def page(machine: str, found: Mapping[str, Result]) -> str:
    """Write all results as Markdown."""
    parts = [f"# The engine on {machine}\n"]
    for name, result in found.items():
        parts.append(
            f"## {name}\n\n| what | value |\n|---|---|\n" + "\n".join(lines_of(result)) + "\n"
        )
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all parts, and write what they find."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes of a test")
    parser.add_argument("--parts", nargs="*", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="without a suffix")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("got no CUDA device; expected one, or --device cpu --tiny", file=sys.stderr)
        sys.exit(2)
    settings = Settings(options.device, options.tiny, time.monotonic() + BUDGET)
    card = "a CPU" if options.device == "cpu" else torch.cuda.get_device_name()
    machine = f"{card}, torch {torch.__version__}"
    found: dict[str, Result] = {}
    for name in options.parts:
        start = time.monotonic()
        try:
            if settings.left() < 0:
                raise LeftOutError("no time is left")
            found[name] = PARTS[name](settings)
        except LeftOutError as error:
            found[name] = {"left out": str(error)}
        except Exception as error:  # the other parts are worth having
            found[name] = {"failed": f"{type(error).__name__}: {error}"}
        found[name]["seconds"] = time.monotonic() - start
        print(f"{name}: {json.dumps(found[name])}", flush=True)
        document = json.dumps({"machine": machine, **found}, indent=1)
        options.out.with_suffix(".json").write_text(document, "utf-8")
        options.out.with_suffix(".md").write_text(page(machine, found), "utf-8")
    if any("failed" in result for result in found.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
