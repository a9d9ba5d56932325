"""Ten times as many requests as can be computed, for seconds; ``benchmarks.overload`` has more."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.overload import MOST_RATIO, QUEUE, SECONDS, WORKERS, Clients
from tests.service.quick_servers import quick_server
from tests.service.small_forest import SmallForest


@pytest.mark.slow
def test_what_is_accepted_under_a_flood_waits_no_longer_than_in_a_full_queue(
    small: SmallForest, tmp_path: Path
) -> None:
    with quick_server(
        tmp_path, small, default=f"sleep {SECONDS}", workers=WORKERS, queue_size=QUEUE
    ) as server:
        port = int(server.url.rpartition(":")[2])
        clients = Clients(port, server.pid, small.unknown)
        full = asyncio.run(clients.fill(2))
        flood = asyncio.run(clients.flood(3))
        server.until_ready()
    assert set(full.statuses) == {200}
    assert set(flood.statuses) == {200, 429}
    assert flood.statuses[429] > flood.statuses[200]
    assert flood.unclear == 0
    assert flood.p99 <= MOST_RATIO * full.p99
