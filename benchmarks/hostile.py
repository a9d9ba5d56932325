"""Send hostile requests: ``python -m benchmarks.hostile``.

The server must refuse each request with a status of 400 to 499 and one clear line, and must predict
as before afterwards. A refusal must cost less than twice the processor time in which this machine
reads the largest valid graph, so that invalid requests burden a server no more than valid ones.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import numpy as np

from acorn.spaces import get_space
from acorn.spaces.limits import LIMITS
from benchmarks.hostile_bodies import EXAMPLES, JSON, Hostile, hostile_requests
from benchmarks.server import running

LONGEST_LINE = 1_000
TRIES = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one request.

    Attributes
    ----------
    name
        Name of the request.
    status
        Status of the response.
    wall, processor
        Seconds until the response, and processor seconds of the server process in this time; for a
        slow request, the median of :data:`TRIES`.
    fault
        Error in the response; empty if there is none.
    """

    name: str
    status: int
    wall: float
    processor: float
    fault: str


def main() -> None:
    """Send all requests, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2_480)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with running("training.commands serve") as server:
        outcomes = attack(
            server.port, server.pid, hostile_requests(options.requests, seed=options.seed)
        )
        answers = is_well(server.port)
    for status, count in sorted(Counter(each.status for each in outcomes).items()):
        print(f"{count:5d} times status {status}")
    for what in ("processor", "wall"):
        times = [1e3 * getattr(each, what) for each in outcomes]
        p50, p99 = np.percentile(times, [50, 99])
        print(f"{what:9s} p50 {p50:.2f} ms, p99 {p99:.2f} ms, most {max(times):.2f} ms")
    slowest = sorted(outcomes, key=lambda each: -each.processor)[:5]
    print("slowest:", ", ".join(f"{each.name} ({1e3 * each.processor:.1f} ms)" for each in slowest))
    faults = [each for each in outcomes if each.fault]
    for each in faults:
        print(f"{each.name}: {each.fault}")
    print(
        f"{len(outcomes)} requests, {len(faults)} faults; afterwards the server "
        f"{'answers' if answers else 'does not answer'}"
    )
    sys.exit(bool(faults) or not answers)


def attack(port: int, pid: int, requests: Iterable[Hostile]) -> list[Outcome]:
    """Send requests one by one to an idle server."""
    most_seconds = 2 * reading_seconds()
    return [_attack(port, pid, request, most_seconds) for request in requests]


def reading_seconds() -> float:
    """Return the processor seconds in which this process reads a valid graph of the most nodes."""
    nodes = [
        {"name": f"n{i}", "op": "relu", "inputs": [f"n{i - 1}" if i else "input"]}
        for i in range(LIMITS.nodes - 2)
    ]
    flat = {"name": "flat", "op": "flatten", "inputs": [nodes[-1]["name"]]}
    out = {"name": "out", "op": "linear", "inputs": ["flat"], "out_features": "classes"}
    text = json.dumps({"nodes": [*nodes, flat, out], "output": "out"})
    space = get_space("graph")
    seconds = []
    for _ in range(TRIES):
        start = time.process_time()
        space.parse(text)
        seconds.append(time.process_time() - start)
    return median(seconds)


def is_well(port: int) -> bool:
    """Return whether a server still predicts."""
    spec = {"space": "nats_tss", "arch": EXAMPLES["nats_tss"]}
    body = json.dumps({"architectures": [spec]}).encode()
    status, _, _ = _send(port, Hostile("", body, {"content-type": JSON}))
    return status == 200


def _attack(port: int, pid: int, request: Hostile, most_seconds: float) -> Outcome:
    walls: list[float] = []
    processors: list[float] = []
    while not walls or (len(walls) < TRIES and median(processors) > most_seconds):
        before, start = processor_seconds(pid), time.perf_counter()
        status, media, body = _send(port, request)
        walls.append(time.perf_counter() - start)
        processors.append(processor_seconds(pid) - before)
    wall, processor = median(walls), median(processors)
    fault = _fault(status, media, body)
    if not fault and processor > most_seconds:
        fault = (
            f"took {1e3 * processor:.0f} ms of processor time; "
            f"expected at most {1e3 * most_seconds:.0f} ms"
        )
    return Outcome(request.name, status, wall, processor, fault)


def _send(port: int, request: Hostile) -> tuple[int, str, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/predict", request.body, request.headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get_content_type(), answer.read()
    finally:
        connection.close()


def _fault(status: int, media: str, body: bytes) -> str:
    """Return the error in a response that must be a clear refusal."""
    if not 400 <= status <= 499:
        return f"got status {status}: {body[:200]!r}"
    if media != "application/problem+json":
        return f"got content type {media}"
    problem = json.loads(body)
    lines = [problem["detail"], *(item["detail"] for item in problem.get("errors", ()))]
    for line in lines:
        if not line or len(line) > LONGEST_LINE or len(line.splitlines()) != 1:
            return f"got no clear line: {line[:200]!r}"
    return ""


def processor_seconds(pid: int) -> float:
    """Return the processor seconds of a process so far, to the microsecond (Linux)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


if __name__ == "__main__":
    main()
