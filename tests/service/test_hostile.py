"""Hostile requests at a real server: each is refused soon; ``benchmarks.hostile`` has more."""

from pathlib import Path

import pytest

from benchmarks.hostile import attack, is_well
from benchmarks.hostile_bodies import FAMILIES, hostile_requests
from tests.service.quick_servers import quick_server
from tests.service.small_forest import SmallForest


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="reads processor time there")
def test_all_are_refused_and_the_server_goes_on(small: SmallForest, tmp_path: Path) -> None:
    with quick_server(tmp_path, small) as server:
        port = int(server.url.rpartition(":")[2])
        outcomes = attack(port, server.pid, hostile_requests(10 * len(FAMILIES), seed=1))
        assert is_well(port)
    assert len(outcomes) >= 300
    assert [f"{each.name}: {each.fault}" for each in outcomes if each.fault] == []


def test_they_are_the_same_every_time() -> None:
    one, same, other = (
        [each.body for each in hostile_requests(len(FAMILIES), seed=seed)] for seed in (1, 1, 2)
    )
    assert one == same != other
