"""Measure what the server adds to computing features: ``python -m benchmarks.cold``.

Time of ``POST /predict`` for cells that are in no table, one after the other, compared with the
same features computed by an extractor in this process with the same number of threads. Then the
server with one and with two workers, with concurrent requests. Limits: at most 10% or 30 ms more
than in the process; two workers at least 1.7 times as fast as one (this needs two idle cores).
"""

import argparse
import contextlib
import json
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

import torch

from acorn.features.feature_table import FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.forests import Manifest, write_bundle
from acorn.forests import manifest as files
from acorn.forests.manifest import MANIFEST
from acorn.spaces import get_space
from benchmarks import load
from benchmarks.server import running
from service.workers.feature_work import FeatureTask, FeatureWorkFactory

RELEASED = Path("models/released/nats_tss-cifar10")
SPACE = get_space("nats_tss")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=8, help="cells for each measurement")
    parser.add_argument("--workers", type=int, nargs=2, default=(1, 2))
    options = parser.parse_args()
    cells = [*{SPACE.parse(cell).canonical: 0 for cell in SPACE.sample(400, seed=0)}]
    table = FeatureTable.read(RELEASED / files.FEATURES)
    alone, few = cells[: options.cells], cells[options.cells : 3 * options.cells]
    with tempfile.TemporaryDirectory() as folder:
        cut_bundle(Path(folder) / RELEASED.name, without=[*alone, *few])
        forests = ("--forests", folder, "--threads", "1")
        with running("training.commands serve", *forests, "--workers", "1") as server:
            delay(server.port, alone, FeatureRecipe(table.settings, _names()))
        rates = {}
        for workers in options.workers:
            with running("training.commands serve", *forests, "--workers", str(workers)) as server:
                _until_all_ready(server.port, workers)
                requests = [
                    load.request("/predict", _document(cell), port=server.port) for cell in few
                ]
                rates[workers] = load.send_all(server.port, requests, concurrency=len(few)).rate
                print(f"{workers} workers: {rates[workers]:.2f} cells/s")
    one, two = options.workers
    print(f"{two} workers over {one}: {rates[two] / rates[one]:.2f}")


def delay(port: int, cells: list[str], recipe: FeatureRecipe) -> None:
    """Print the time of a request beyond that of its features."""
    example = SPACE.parse(SPACE.example).canonical
    factory = FeatureWorkFactory("cpu", 1, warm=(FeatureTask(SPACE.name, example, recipe),))
    work = factory(0)
    with contextlib.suppress(RuntimeError):  # which says that it is too late
        torch.set_num_interop_threads(1)
    pairs = []
    for cell in cells:  # in turn, so that a drift of the machine's speed falls on both alike
        start = time.perf_counter()
        work(FeatureTask(SPACE.name, cell, recipe))
        between = time.perf_counter()
        source = _predict(port, cell)["predictions"][0]["feature_source"]
        if source != "computed":
            raise RuntimeError(f"got features from the {source}; expected them computed")
        pairs.append((between - start, time.perf_counter() - between))
    inside, outside = median(a for a, _ in pairs), median(b for _, b in pairs)
    more = median(b - a for a, b in pairs)
    print(
        f"in-process {inside:.3f} s   POST /predict {outside:.3f} s   "
        f"{1e3 * more:+.0f} ms, {more / inside:+.1%}"
    )


def cut_bundle(out: Path, *, without: list[str]) -> None:
    """Copy the released bundle without the table rows of some cells."""
    manifest = Manifest.from_bytes((RELEASED / MANIFEST).read_bytes())
    contents = {name: (RELEASED / name).read_bytes() for name in manifest.files}
    table = FeatureTable.read(RELEASED / files.FEATURES)
    kept = table.frame.filter(~table.frame["arch"].is_in(without))
    scratch = out.parent / ".table.parquet"
    FeatureTable(kept, table.settings).write(scratch)
    contents[files.FEATURES] = scratch.read_bytes()
    scratch.unlink()
    write_bundle(out, contents, manifest)


def _names() -> tuple[str, ...]:
    return tuple(Manifest.from_bytes((RELEASED / MANIFEST).read_bytes()).features)


def _document(cell: str) -> dict[str, object]:
    return {"architectures": [{"space": SPACE.name, "arch": cell}], "features": False}


def _predict(port: int, cell: str) -> dict[str, list[dict[str, object]]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict",
        json.dumps(_document(cell)).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310 (its own server)
        answer: dict[str, list[dict[str, object]]] = json.load(response)
        return answer


def _until_all_ready(port: int, workers: int) -> None:
    """Wait for all workers; the server is ready as soon as one is."""
    url = f"http://127.0.0.1:{port}/health/ready"
    while True:
        with urllib.request.urlopen(url) as response:
            if json.load(response)["workers"]["ready"] == workers:
                return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
