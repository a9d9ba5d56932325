"""Load generator: one process, keep-alive connections, one request at a time on each.

It uses asyncio protocols, because a client library takes longer for a request than the server.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of a round of requests: total, and of each request."""

    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, q: float) -> float:
        """Return a percentile of the latencies in milliseconds."""
        return 1e3 * float(np.percentile(self.latencies, q))


def request(path: str, document: object, *, port: int) -> bytes:
    """Write a POST."""
    body = json.dumps(document).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send_all(port: int, requests: Sequence[bytes], *, concurrency: int) -> Round:
    """Send every request once; raises RuntimeError for any status other than 200."""
    return asyncio.run(_send_all(port, requests, concurrency))


async def _send_all(port: int, requests: Sequence[bytes], concurrency: int) -> Round:
    loop = asyncio.get_running_loop()
    remaining = iter(requests)
    latencies: list[float] = []
    connections = [
        (await loop.create_connection(lambda: _Connection(latencies), "127.0.0.1", port))[1]
        for _ in range(concurrency)
    ]
    start = time.perf_counter()
    await asyncio.gather(*(connection.work(remaining) for connection in connections))
    seconds = time.perf_counter() - start
    for connection in connections:
        connection.transport.close()
    return Round(seconds, latencies)


class _Connection(asyncio.Protocol):
    """A connection that sends the next request as soon as it has a response."""

    transport: asyncio.Transport

    def __init__(self, latencies: list[float]) -> None:
        self._latencies = latencies
        self._received = bytearray()
        self._end = 0  # of the answer, once its head is read

    def work(self, requests: Iterator[bytes]) -> "asyncio.Future[None]":
        """Send requests until none is left."""
        self._requests = requests
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next()
        return self._done

    def _next(self) -> None:
        content = next(self._requests, None)
        if content is None:
            self._done.set_result(None)
            return
        self._received.clear()
        self._end = 0
        self._start = time.perf_counter()
        self.transport.write(content)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Read a response, and send the next request when it is complete."""
        self._received += data
        if not self._end:
            head = self._received.find(b"\r\n\r\n")
            if head < 0:
                return
            fields = bytes(self._received[:head]).lower()
            if b" 200 " not in fields[:16]:
                self._fail(f"got {bytes(self._received[:300])!r}; expected 200")
                return
            length = fields.split(b"content-length:")[1].split(b"\r\n")[0]
            self._end = head + 4 + int(length)
        if len(self._received) == self._end:
            self._latencies.append(time.perf_counter() - self._start)
            self._next()

    def connection_lost(self, _error: Exception | None) -> None:
        """Fail if the server closed the connection."""
        self._fail("the server closed a connection")

    def _fail(self, why: str) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(why))
