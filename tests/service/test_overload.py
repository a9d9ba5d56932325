"""What a real server does when networks hang, kill workers or are too many, and at its end."""

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.service.in_process import quick_app
from tests.service.quick_servers import ask, quick_server
from tests.service.servers import Requests, Server, alive, until
from tests.service.small_forest import SmallForest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


@pytest.fixture(scope="module")
def pair(
    small: SmallForest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, ThreadPoolExecutor]]:
    """A server of two workers; each test has cells of its own."""
    folder = tmp_path_factory.mktemp("pair")
    brief = small.unknown[12:62]
    slow, (unwanted, *_) = small.unknown[62:64], small.unknown[64:]
    faults = {
        unwanted: f"die-once {folder / 'died'}",
        **dict.fromkeys(brief, "sleep 0.05"),
        **dict.fromkeys(slow, "sleep 1"),
    }
    with (
        quick_server(folder, small, faults=faults, workers=2) as server,
        ThreadPoolExecutor(64) as threads,
    ):
        until(lambda: busy(server).get("ready") == 2)
        yield server, threads


def busy(server: Requests) -> dict[str, int]:
    workers: dict[str, int] = server.get("/health/ready").json().get("workers", {})
    return workers


def test_a_full_queue_is_429_and_known_cells_are_answered_on(
    small: SmallForest, tmp_path: Path
) -> None:
    slow = small.unknown[:6]
    faults = dict.fromkeys(slow, "sleep 1")
    with (
        quick_app(tmp_path, small, faults=faults, queue_size=2) as server,
        ThreadPoolExecutor(4) as threads,
    ):
        first = threads.submit(ask, server, slow[0])
        until(lambda: busy(server)["computing"] == 1)
        waiting = threads.submit(ask, server, *slow[1:3])
        until(lambda: busy(server)["waiting"] == 2)
        for cells in (slow[3:4], slow[3:6]):
            response = ask(server, *cells)
            assert response.status_code == 429
            assert int(response.headers["retry-after"]) >= 1
            assert response.headers["content-type"] == "application/problem+json"
        assert ask(server, small.known[0]).status_code == 200
        # The same network as one that waits takes no more room.
        assert threads.submit(ask, server, slow[1]).result().status_code == 200
        # More than would fit into an empty queue is no matter of waiting.
        too_many = ask(server, *small.unknown[6:10])
        assert too_many.status_code == 422
        assert [item["pointer"] for item in too_many.json()["errors"]] == ["/architectures"]
        assert first.result().status_code == waiting.result().status_code == 200


def test_deadlines_are_503_and_504_and_name_the_item(small: SmallForest, tmp_path: Path) -> None:
    stuck, late = small.unknown[:2]
    faults = {stuck: "sleep 5"}
    with (
        quick_app(
            tmp_path, small, faults=faults, computing_seconds=1.5, waiting_seconds=0.3
        ) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        first = threads.submit(ask, server, small.known[0], stuck)
        until(lambda: busy(server)["computing"] == 1)
        waited = ask(server, late)
        assert waited.status_code == 503
        assert int(waited.headers["retry-after"]) >= 1
        assert first.result().status_code == 504
        assert [item["pointer"] for item in first.result().json()["errors"]] == ["/architectures/1"]
        server.until_ready()
        assert ask(server, late).status_code == 200


def test_what_kills_workers_is_a_clear_500_and_others_go_on(
    small: SmallForest, tmp_path: Path
) -> None:
    deadly, failing, *others = small.unknown[:12]
    faults = {deadly: "die", failing: "raise it is broken"}
    with (
        quick_app(tmp_path, small, faults=faults, workers=2) as server,
        ThreadPoolExecutor(12) as threads,
    ):
        answers = [threads.submit(ask, server, cell) for cell in (deadly, *others)]
        assert [answer.result().status_code for answer in answers] == [500] + [200] * len(others)
        again = ask(server, others[0], deadly)
        assert again.status_code == 500
        assert "worker processes died" in again.json()["errors"][0]["detail"]
        assert again.json()["errors"][0]["pointer"] == "/architectures/1"
        broken = ask(server, failing)
        assert broken.status_code == 500
        assert "RuntimeError: it is broken" in broken.json()["detail"]


@pytest.mark.slow
def test_a_kill_under_fifty_requests_loses_none(
    small: SmallForest, pair: tuple[Server, ThreadPoolExecutor]
) -> None:
    server, threads = pair
    until(lambda: busy(server).get("ready") == 2)
    cells = small.unknown[12:62]
    answers = [threads.submit(ask, server, cell) for cell in cells]
    until(lambda: busy(server)["computing"] == 2)
    os.kill(server.workers()[0], signal.SIGKILL)
    for cell, answer in zip(cells, answers, strict=True):
        assert answer.result().status_code == 200
        assert answer.result().json()["predictions"][0]["id"] == small.id(cell)
    until(lambda: busy(server).get("ready") == 2)


@pytest.mark.slow
def test_work_is_dropped_when_its_client_has_gone(
    small: SmallForest, pair: tuple[Server, ThreadPoolExecutor]
) -> None:
    server, threads = pair
    until(lambda: busy(server).get("ready") == 2)
    *slow, unwanted, wanted = small.unknown[62:66]
    answers = [threads.submit(ask, server, cell) for cell in slow]
    until(lambda: busy(server)["computing"] == 2)
    body = {"architectures": [{"space": "nats_tss", "arch": unwanted}]}
    with pytest.raises(httpx.ReadTimeout):
        server.post("/predict", json=body, timeout=0.3)
    until(lambda: busy(server)["waiting"] == 0)
    assert [answer.result().status_code for answer in answers] == [200, 200]
    assert ask(server, wanted).status_code == 200
    assert not (server.folder / "died").exists()  # no worker ever saw it


@pytest.mark.slow
def test_readiness_follows_the_workers(
    small: SmallForest, pair: tuple[Server, ThreadPoolExecutor]
) -> None:
    server, _ = pair
    until(lambda: busy(server).get("ready") == 2)
    workers = server.workers()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    until(lambda: not server.says("ready"))
    problem = server.get("/health/ready")
    assert problem.headers["content-type"] == "application/problem+json"
    assert "no worker is ready" in problem.json()["detail"]
    assert ask(server, small.known[0]).status_code == 200
    server.until_ready()
    assert not set(server.workers()) & set(workers)


@pytest.mark.slow
def test_what_was_accepted_is_answered_before_the_end(small: SmallForest, tmp_path: Path) -> None:
    cells = small.unknown[:8]
    faults = dict.fromkeys(cells, "sleep 0.6")
    with quick_server(tmp_path, small, faults=faults) as server, ThreadPoolExecutor(8) as threads:
        workers = server.workers()
        answers = [threads.submit(ask, server, cell) for cell in cells]
        until(lambda: busy(server)["waiting"] == len(cells) - 1)
        server.process.send_signal(signal.SIGTERM)
        assert [answer.result().status_code for answer in answers] == [200] * len(cells)
        assert server.process.wait(10) == 0
        assert not any(map(alive, workers))


@pytest.mark.slow
def test_a_server_that_cannot_drain_in_time_ends_all_the_same(
    small: SmallForest, tmp_path: Path
) -> None:
    stuck = small.unknown[0]
    faults = {stuck: "sleep 60"}
    with (
        quick_server(tmp_path, small, faults=faults, shutdown_seconds=1) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        workers = server.workers()
        lost: Future[httpx.Response] = threads.submit(ask, server, stuck)
        until(lambda: busy(server)["computing"] == 1)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(40)  # or it would wait for what is stuck
        assert not any(map(alive, workers))
        assert lost.exception() is not None or lost.result().status_code >= 500


@pytest.mark.slow
def test_workers_end_with_a_server_that_is_killed(small: SmallForest, tmp_path: Path) -> None:
    stuck = small.unknown[0]
    faults = {stuck: "sleep 600"}
    with (
        quick_server(tmp_path, small, faults=faults, workers=2) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        until(lambda: busy(server).get("ready") == 2)
        workers = server.workers()
        lost = threads.submit(ask, server, stuck)
        until(lambda: busy(server)["computing"] == 1)  # so one is busy, and one idle
        server.process.kill()
        until(lambda: not any(map(alive, workers)))
        assert lost.exception() is not None
