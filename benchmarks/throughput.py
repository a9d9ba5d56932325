"""Measure the throughput of predictions from tables: ``python -m benchmarks.throughput``.

``POST /predict`` of one cell is compared with ``POST /empty`` of the same application, which
validates the same body and returns as much JSON with the standard functions of the framework. One
server process, one client process, keep-alive connections, both routes in turn. Limits: at least
half of the empty route's requests per second, at most three times its p99 latency.
"""

import argparse
import itertools
import json
import time
import urllib.request
from collections.abc import Iterator, Sequence
from statistics import median

from acorn.spaces import get_space
from benchmarks import load
from benchmarks.server import Running, running

IDLE_SECONDS = 5.0
BUSY = 0.02
"""Share of a processor that a server with nothing to do takes at most."""

TARGETS = ["clean", "pgd_linf_1.0", "adv.pgd_linf_8"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1500, help="requests a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=32)
    options = parser.parse_args()
    space = get_space("nats_tss")
    known = [_document(space.example)]
    plain = [{"architectures": known[0]["architectures"]}]
    functions = {space.parse(cell).id: cell for cell in space.sample(15_625, seed=0)}
    fresh = [_document(cell) for cell in functions.values()]
    print(f"{options.concurrency} connections, rounds of {options.requests} requests")
    with running("benchmarks.beside_empty", ready="live") as server:
        for name, documents in {
            "one cell, three targets": known,
            "one cell, all targets and features": plain,
            "a new function each time, three targets": fresh,
        }.items():
            print(f"{name}:")
            _post(server.port, "/predict", documents[0])
            until_idle(server)
            compare(server, documents, options.requests, options.rounds, options.concurrency)


def until_idle(server: Running) -> None:
    """Wait until the server has predicted the whole table of the last request."""
    before = -1.0
    while (now := server.processor_seconds()) - before > BUSY * IDLE_SECONDS:
        before = now
        time.sleep(IDLE_SECONDS)


def compare(
    server: Running, documents: Sequence[object], requests: int, rounds: int, concurrency: int
) -> None:
    """Send documents to both routes in turn, and print rates and latencies."""
    port = server.port
    size = len(_post(port, "/predict", documents[0]))
    resize = urllib.request.Request(f"http://127.0.0.1:{port}/empty?size={size}", method="PUT")
    urllib.request.urlopen(resize).close()  # noqa: S310 (its own server)
    measured: dict[str, list[load.Round]] = {"/empty": [], "/predict": []}
    streams = {path: _stream(port, path, documents) for path in measured}
    if len(documents) == 1:
        for path in measured:
            load.send_all(port, [*itertools.islice(streams[path], 200)], concurrency=concurrency)
    busy = dict.fromkeys(measured, 0.0)
    for _, path in itertools.product(range(rounds), measured):
        contents = [*itertools.islice(streams[path], requests)]
        before = server.processor_seconds()
        measured[path].append(load.send_all(port, contents, concurrency=concurrency))
        busy[path] += server.processor_seconds() - before
    for path, each in measured.items():
        rate, p50, p99 = _summary(each)
        print(
            f"  {path:8s} {rate:6.0f} requests/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   "
            f"processor {1e3 * busy[path] / (rounds * requests):.3f} ms a request"
        )
    (rate, _, p99), (empty_rate, _, empty_p99) = (
        _summary(measured[path]) for path in ("/predict", "/empty")
    )
    print(
        f"  {size} bytes; {rate / empty_rate:.0%} of the empty route's requests/s, "
        f"{p99 / empty_p99:.2f} times its p99"
    )


def _summary(rounds: Sequence[load.Round]) -> tuple[float, float, float]:
    """Return the medians over rounds of the rate, and of the p50 and p99 latency."""
    return (
        median(each.rate for each in rounds),
        median(each.percentile(50) for each in rounds),
        median(each.percentile(99) for each in rounds),
    )


def _document(cell: str) -> dict[str, object]:
    spec = {"space": "nats_tss", "arch": cell}
    return {"architectures": [spec], "targets": TARGETS, "features": False}


def _stream(port: int, path: str, documents: Sequence[object]) -> Iterator[bytes]:
    return itertools.cycle([load.request(path, each, port=port) for each in documents])


def _post(port: int, path: str, document: object) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        json.dumps(document).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310 (its own server)
        content: bytes = response.read()
        return content


if __name__ == "__main__":
    main()
