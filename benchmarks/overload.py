"""Send ten times as many requests as the server can compute: ``python -m benchmarks.overload``.

Two workers take a quarter of a second for every network, so the capacity of the server depends
little on other programs. First, as many clients send requests as fit into workers and queue. Then
requests are sent at ten times the rate of the workers. The p99 latency of accepted requests may at
most double; all others must get 429 with ``Retry-After``; the memory of the server must stay
constant.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

WORKERS, SECONDS, QUEUE = 2, 0.25, 16
CAPACITY = WORKERS / SECONDS
"""Networks a second."""

TIMES = 10
MOST_RATIO = 2.0
MOST_GROWTH = 1.05


@dataclass
class Phase:
    """Results of the requests of one phase.

    Attributes
    ----------
    latencies
        Seconds of each accepted request.
    statuses
        Number of responses with each status.
    unclear
        Number of refusals without a ``Retry-After`` of at least a second.
    memory
        MiB of the server process, measured several times a second.
    """

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    unclear: int = 0
    memory: list[float] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """Return the p99 latency of accepted requests in seconds."""
        return float(np.percentile(self.latencies, 99))

    @property
    def growth(self) -> float:
        """Return the ratio of the memory in the last and in the second third of the phase."""
        third = len(self.memory) // 3
        return median(self.memory[-third:]) / median(self.memory[third : 2 * third])


class Clients:
    """Clients that request networks which are unknown to the server.

    Parameters
    ----------
    port, pid
        Port and process id of the server.
    cells
        Cells of different equivalence classes; a refused one may be requested again.
    """

    def __init__(self, port: int, pid: int, cells: Iterable[str]) -> None:
        self._port = port
        self._pid = pid
        self._cells = deque(cells)

    async def fill(self, seconds: float) -> Phase:
        """Keep workers and queue full without overload."""
        phase = Phase()
        end = time.monotonic() + seconds

        async def client() -> None:
            while time.monotonic() < end:
                await self._ask(phase)

        watching = asyncio.create_task(self._watch(phase))
        # One place stays free: a response may arrive before the worker takes the next request.
        await asyncio.gather(*(client() for _ in range(WORKERS + QUEUE - 1)))
        watching.cancel()
        return phase

    async def flood(self, seconds: float) -> Phase:
        """Send requests at a constant rate, independent of responses."""
        phase = Phase()
        watching = asyncio.create_task(self._watch(phase))
        start = time.monotonic()
        sent: list[asyncio.Task[None]] = []
        for number in range(round(seconds * TIMES * CAPACITY)):
            await asyncio.sleep(start + number / (TIMES * CAPACITY) - time.monotonic())
            sent.append(asyncio.create_task(self._ask(phase)))
        await asyncio.gather(*sent)
        watching.cancel()
        return phase

    async def _ask(self, phase: Phase) -> None:
        cell = self._cells.popleft()
        body = json.dumps(
            {"architectures": [{"space": "nats_tss", "arch": cell}], "features": False}
        ).encode()
        start = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = "POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode())
        writer.write(body)
        answer = await reader.read()
        seconds = time.perf_counter() - start
        writer.close()
        lines = answer.partition(b"\r\n\r\n")[0].decode().lower()
        status = int(lines.split()[1])
        phase.statuses[status] += 1
        if status == 200:
            phase.latencies.append(seconds)
            return
        _, _, wait = lines.partition("\r\nretry-after: ")
        phase.unclear += int(wait.split()[0] if wait else 0) < 1
        self._cells.append(cell)

    async def _watch(self, phase: Phase) -> None:
        while True:
            status = await asyncio.to_thread(Path(f"/proc/{self._pid}/status").read_text)
            phase.memory.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
            await asyncio.sleep(0.2)


def overload(clients: Clients, *, fill_seconds: float, flood_seconds: float) -> list[str]:
    """Measure and print; return the violated limits."""
    full = asyncio.run(clients.fill(fill_seconds))
    flood = asyncio.run(clients.flood(flood_seconds))
    for name, phase, seconds in (("full", full, fill_seconds), ("flood", flood, flood_seconds)):
        statuses = ", ".join(f"{count} of {status}" for status, count in phase.statuses.items())
        print(
            f"{name:5s} {phase.statuses.total() / seconds:6.1f} requests/s, "
            f"accepted {len(phase.latencies) / seconds:5.1f}/s, p50 "
            f"{median(phase.latencies):.3f} s, p99 {phase.p99:.3f} s, answers: {statuses}"
        )
    ratio = flood.p99 / full.p99
    print(
        f"p99 of the accepted: {ratio:.2f} times that at capacity; memory {flood.memory[0]:.0f} to "
        f"{flood.memory[-1]:.0f} MiB, {flood.growth:.3f} times in the last third"
    )
    checks = {
        f"p99 {ratio:.2f} times that at capacity": ratio <= MOST_RATIO,
        f"memory {flood.growth:.3f} times that before": flood.growth <= MOST_GROWTH,
        f"{flood.unclear} refusals without Retry-After": not flood.unclear,
        f"statuses {dict(full.statuses)} at capacity": set(full.statuses) == {200},
        f"statuses {dict(flood.statuses)}": set(flood.statuses) == {200, 429},
    }
    return [complaint for complaint, is_right in checks.items() if not is_right]


def main() -> None:
    """Run a server, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    from tests.service.quick_servers import quick_server
    from tests.service.small_forest import make

    with tempfile.TemporaryDirectory() as folder:
        small = make(Path(folder) / "forests")
        with quick_server(
            Path(folder) / "server",
            small,
            default=f"sleep {SECONDS}",
            workers=WORKERS,
            queue_size=QUEUE,
        ) as server:
            port = int(server.url.rpartition(":")[2])
            clients = Clients(port, server.pid, new_cells(small.known))
            wrong = overload(clients, fill_seconds=10, flood_seconds=options.seconds)
    print("\n".join(f"wrong: {each}" for each in wrong) or "all limits hold")
    sys.exit(bool(wrong))


def new_cells(known: Iterable[str]) -> list[str]:
    """Return one cell of every equivalence class that is not in the table."""
    from acorn.spaces import get_space

    space = get_space("nats_tss")
    cells = {space.parse(cell).id: cell for cell in space.sample(15_625, seed=0)}
    return [cells[id_] for id_ in cells.keys() - {space.parse(cell).id for cell in known}]


if __name__ == "__main__":
    main()
