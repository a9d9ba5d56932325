"""Hostile requests: ``python -m benchmarks.hostile``.

Each one has to be refused with a status of 400 to 499 and one clear line, in less than 100 ms of
the server's processor time (which other programs on the machine hardly change); and afterwards the
server has to answer as before.
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

from benchmarks.hostile_bodies import EXAMPLES, JSON, Hostile, hostile_requests
from benchmarks.server import running

LONGEST_SECONDS = 0.1
LONGEST_LINE = 1_000
TRIES = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request.

    Attributes
    ----------
    name
        Of the request.
    status
        Of the answer.
    wall, processor
        Seconds until the answer was there, and of the server process meanwhile; of a slow one the
        median of :data:`TRIES`.
    fault
        What is wrong with the answer; empty if nothing is.
    """

    name: str
    status: int
    wall: float
    processor: float
    fault: str


def main() -> None:
    """Send all, and print what came of them."""
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
    """Send requests one by one to a server that has nothing else to do."""
    return [_attack(port, pid, request) for request in requests]


def is_well(port: int) -> bool:
    """Say whether a server still predicts."""
    spec = {"space": "nats_tss", "arch": EXAMPLES["nats_tss"]}
    body = json.dumps({"architectures": [spec]}).encode()
    status, _, _ = _send(port, Hostile("", body, {"content-type": JSON}))
    return status == 200


def _attack(port: int, pid: int, request: Hostile) -> Outcome:
    walls: list[float] = []
    processors: list[float] = []
    while not walls or (len(walls) < TRIES and median(processors) > LONGEST_SECONDS):
        before, start = processor_seconds(pid), time.perf_counter()
        status, media, body = _send(port, request)
        walls.append(time.perf_counter() - start)
        processors.append(processor_seconds(pid) - before)
    wall, processor = median(walls), median(processors)
    fault = _fault(status, media, body)
    if not fault and processor > LONGEST_SECONDS:
        fault = f"took {1e3 * processor:.0f} ms of processor time"
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
    """Say what is wrong with an answer that has to be a clear refusal."""
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
    """Processor time of a process so far, to the microsecond (Linux)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


if __name__ == "__main__":
    main()
