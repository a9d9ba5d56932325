"""The end of a real server: not ready at once, everything accepted answered, the rest refused."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.service.quick_servers import ask, quick_server
from tests.service.servers import alive, until
from tests.service.small_forest import SmallForest


@pytest.mark.slow
def test_a_server_that_was_told_to_end_is_not_ready_and_still_answers(
    small: SmallForest, tmp_path: Path
) -> None:
    slow = small.unknown[0]
    with (
        quick_server(tmp_path, small, faults={slow: "sleep 4"}, drain_seconds=3) as server,
        ThreadPoolExecutor(1) as threads,
        httpx.Client(base_url=server.url, timeout=60.0) as kept,
    ):
        workers = server.workers()
        accepted = threads.submit(ask, server, slow)
        until(lambda: kept.get("/health/ready").json()["workers"]["computing"] == 1)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: kept.get("/health/ready").status_code == 503)  # it still answers: see below
        problem = kept.get("/health/ready")
        assert "stopping" in problem.json()["detail"]
        assert int(problem.headers["retry-after"]) >= 1
        assert problem.headers["connection"] == "close"
        assert kept.get("/health/live").status_code == 200
        assert ask(server, small.known[0]).status_code == 200
        assert accepted.result().status_code == 200
        assert server.process.wait(30) == 0
        assert not any(map(alive, workers))


@pytest.mark.slow
def test_under_load_every_accepted_request_is_answered(small: SmallForest, tmp_path: Path) -> None:
    """A load balancer that looks ten times a second loses no request."""
    is_over = threading.Event()
    with (
        quick_server(tmp_path, small, drain_seconds=4) as server,
        ThreadPoolExecutor(9) as threads,
    ):

        def keep_asking(number: int) -> tuple[list[int], list[str]]:
            body = {
                "architectures": [{"space": "nats_tss", "arch": small.known[number]}],
                "features": False,
            }
            statuses: list[int] = []
            lost: list[str] = []
            with httpx.Client(base_url=server.url, timeout=60.0) as client:
                while not is_over.is_set():
                    try:
                        statuses.append(client.post("/predict", json=body).status_code)
                    except httpx.TransportError as error:
                        lost.append(repr(error))
            return statuses, lost

        def watch() -> None:
            while server.says("ready"):
                time.sleep(0.1)
            is_over.set()

        answers = [threads.submit(keep_asking, number) for number in range(8)]
        watching = threads.submit(watch)
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        watching.result()
        for answer in answers:
            statuses, lost = answer.result()
            assert lost == []
            assert statuses
            assert set(statuses) == {200}
        assert server.process.wait(30) == 0


@pytest.mark.slow
def test_what_is_not_finished_by_the_deadline_is_503(small: SmallForest, tmp_path: Path) -> None:
    stuck, waiting = small.unknown[:2]
    with (
        quick_server(tmp_path, small, faults={stuck: "sleep 60"}, shutdown_seconds=1) as server,
        ThreadPoolExecutor(2) as threads,
    ):

        def workers() -> dict[str, int]:
            found: dict[str, int] = httpx.get(f"{server.url}/health/ready").json()["workers"]
            return found

        answers = [threads.submit(ask, server, stuck)]
        until(lambda: workers()["computing"] == 1)
        answers.append(threads.submit(ask, server, waiting))
        until(lambda: workers()["waiting"] == 1)
        server.process.send_signal(signal.SIGTERM)
        for answer in answers:
            response = answer.result()
            assert response.status_code == 503
            assert response.headers["content-type"] == "application/problem+json"
            assert int(response.headers["retry-after"]) >= 1
        assert server.process.wait(30) == 0  # what is stuck would take longer


@pytest.mark.slow
def test_a_second_signal_does_not_wait(small: SmallForest, tmp_path: Path) -> None:
    with quick_server(tmp_path, small, drain_seconds=600) as server:
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not server.says("ready"))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        with suppress(httpx.ConnectError):
            assert httpx.get(f"{server.url}/health/live").status_code == 0
