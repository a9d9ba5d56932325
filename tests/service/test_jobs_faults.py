"""What becomes of jobs when networks fail, servers die, disks fill up or requests come between."""

import hashlib
import os
import re
import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service.jobs.submission import MIN_PART
from tests.service.in_process import quick_app
from tests.service.jobs_client import JobsClient, Json
from tests.service.postgres import Postgres
from tests.service.quick_servers import ask, quick_server
from tests.service.servers import Requests, until
from tests.service.small_forest import SmallForest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

LEASE = 6.0  # a busy machine must not look like a dead one


def check_complete(lines: list[Json], cells: list[str], small: SmallForest) -> None:
    """Each architecture has one answer, its own."""
    assert [line["index"] for line in lines] == [*range(len(cells))]
    for line, cell in zip(lines, cells, strict=True):
        assert line["prediction"]["id"] == small.id(cell)


def test_what_fails_fails_alone(small: SmallForest, tmp_path: Path) -> None:
    deadly, broken, stuck, *good = small.unknown[:12]
    faults = {deadly: "die", broken: "raise it is broken", stuck: "sleep 8"}
    cells = [*small.known[:6], deadly, *good, broken, *small.known[6:20], stuck]
    with (
        quick_app(tmp_path, small, faults=faults, computing_seconds=2) as server,
        JobsClient(server) as client,
    ):
        job = client.submit(cells)
        done = client.until_done(job)
        assert (done["done"], done["failed"]) == (len(cells) - 3, 3)
        lines = client.lines(job)
        errors = {cells[each["index"]]: each["error"] for each in lines if "error" in each}
        assert errors[deadly]["status"] == errors[broken]["status"] == 500
        assert errors[stuck]["status"] == 504
        assert "worker processes died" in errors[deadly]["detail"]
        assert "it is broken" in errors[broken]["detail"]
        for line in lines:
            assert ("prediction" in line) != (cells[line["index"]] in errors)
        table = client.get(job["links"]["result"], params={"format": "csv"}).text
        assert "it is broken" in table.splitlines()[cells.index(broken) + 1]


def test_a_running_job_is_cancelled_at_once_and_keeps_its_results(
    small: SmallForest, tmp_path: Path
) -> None:
    cells = [*small.known[:10], *small.unknown[:60]]
    faults = dict.fromkeys(small.unknown[20:], "sleep 2")
    with (
        quick_app(tmp_path, small, faults=faults) as server,
        JobsClient(server) as client,
    ):
        job = client.submit(cells)
        client.until_begun(job)
        until(lambda: workers(server)["computing"] == 1)
        with ThreadPoolExecutor(1) as threads:
            events = threads.submit(client.events, job)
            refused = client.get(job["links"]["result"], params={"format": "csv"})
            assert refused.status_code == 409
            partial = client.get(job["links"]["result"])
            assert partial.headers["x-job-complete"] == "false"
            assert int(partial.headers["x-job-next-index"]) == len(partial.text.splitlines())
            cancelled = client.delete(job["links"]["job"])
            assert cancelled.status_code == 200
            assert cancelled.json()["state"] == "cancelled"
            assert events.result()[-1][0] == "end"
        until(lambda: workers(server)["waiting"] == 0)
        lines = client.lines(job)
        shown = client.show(job)
        assert 0 < len(lines) == shown["done"] + shown["failed"] < len(cells)
        assert client.delete(job["links"]["job"]).status_code == 204


def test_requests_go_before_jobs(small: SmallForest, tmp_path: Path) -> None:
    cells, wanted = small.unknown[:40], small.unknown[60:64]
    faults = dict.fromkeys(cells, "sleep 0.4")
    with (
        quick_app(tmp_path, small, faults=faults, queue_size=1) as server,
        JobsClient(server) as client,
    ):
        job = client.submit(cells)
        until(lambda: workers(server)["computing"] == 1)
        # Behind the one that is under way, and in a queue that jobs do not fill.
        for cell in wanted:
            before = computed(server)
            assert ask(server, cell).status_code == 200
            assert computed(server) - before < MIN_PART
        assert ask(server, cells[-1]).status_code == 200  # which the job has waiting, or not yet
        assert client.show(job)["state"] == "running"


def computed(server: Requests) -> int:
    """Networks that workers are through with."""
    metrics = server.get("/metrics").text
    (line,) = re.findall(r"^acorn_computing_seconds_count ([0-9.]+)$", metrics, re.MULTILINE)
    return int(float(line))


def workers(server: Requests) -> dict[str, int]:
    found: dict[str, int] = server.get("/health/ready").json().get("workers", {})
    return found


@pytest.mark.slow
def test_a_job_outlives_a_server_that_is_killed(small: SmallForest, tmp_path: Path) -> None:
    unknown = small.unknown[:100]
    cells = [*unknown, *small.known, *small.known][:100] + (small.known + unknown) * 3
    cells = cells[:500]
    assert len(cells) == 500
    faults = dict.fromkeys(unknown, "sleep 0.02")
    with (
        quick_server(tmp_path, small, faults=faults, job_lease_seconds=LEASE) as server,
        JobsClient(server) as client,
    ):
        job = client.submit(cells)
        begun = client.until_begun(job)
        before = client.lines(job)
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
    assert begun["state"] == "running"
    with (
        quick_server(tmp_path, small, faults=faults, job_lease_seconds=LEASE) as server,
        JobsClient(server) as client,
    ):
        done = client.until_done(job)
        assert (done["done"], done["failed"]) == (500, 0)
        lines = client.lines(job)
    check_complete(lines, cells, small)
    assert lines[: len(before)] == before
    assert len(before) < 500


def test_a_server_that_ends_in_good_order_gives_its_parts_back_at_once(
    small: SmallForest, tmp_path: Path
) -> None:
    cells = small.unknown[:30]
    with (
        quick_app(tmp_path, small, faults=dict.fromkeys(cells, "sleep 0.1")) as server,
        JobsClient(server) as client,
    ):
        job = client.submit(cells)
        client.until_begun(job)
    with (
        quick_app(tmp_path, small, job_lease_seconds=3_600) as server,
        JobsClient(server) as client,
    ):
        client.until_done(job)
        check_complete(client.lines(job), cells, small)


@pytest.mark.slow
def test_servers_on_one_database_share_jobs_and_features_and_take_over_from_the_dead(
    small: SmallForest, tmp_path: Path, postgres: Postgres
) -> None:
    cells = small.unknown[:160]
    log = tmp_path / "computed"
    options: dict[str, Any] = {"database_url": postgres.new_database(), "job_lease_seconds": LEASE}
    faults = {cell: f"log {log} {number}" for number, cell in enumerate(cells)}
    with (
        quick_server(tmp_path / "a", small, faults=faults, **options) as a,
        quick_server(tmp_path / "b", small, faults=faults, **options) as b,
        JobsClient(a) as client_a,
        JobsClient(b) as client_b,
    ):
        job = client_a.submit(cells[:120])
        done = client_b.until_done(job)
        assert done["done"] == 120
        lines = client_b.lines(job)
        check_complete(lines, cells[:120], small)
        assert client_a.lines(job) == lines
        computed = [line.split() for line in log.read_text().splitlines()]
        assert len({pid for pid, _ in computed}) == 2  # the workers of both
        assert len({number for _, number in computed}) == len(computed) == 120
        # Each knows by now what the other has computed.
        for server in (a, b):
            answer = ask(server, *cells[:120], features=False).json()
            sources = {each["feature_source"] for each in answer["predictions"]}
            assert sources == {"cache"}
        second = client_a.submit(cells)
        client_b.until_begun(second)
        os.kill(a.pid, signal.SIGKILL)
        a.process.wait()
        client_b.until_done(second)
        check_complete(client_b.lines(second), cells, small)


@pytest.mark.slow
def test_a_full_disk_stops_jobs_and_no_prediction(small: SmallForest, tmp_path: Path) -> None:
    with (
        quick_server(tmp_path, small, job_lease_seconds=LEASE) as server,
        JobsClient(server) as client,
    ):
        job = client.submit(small.known)
        client.until_done(job)
        largest = max(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        _, most = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (largest, most))
        refused = client.post("/jobs", json={"architectures": [_spec(small.known[0])] * 5_000})
        assert refused.status_code == 503, refused.text
        assert int(refused.headers["retry-after"]) >= 1
        assert "disk" not in refused.json()["detail"]  # that is for the log
        for cell in small.unknown[:30]:
            assert ask(server, cell).status_code == 200
        assert client.lines(job)
        until(lambda: "cannot write the feature store" in server.log, lambda: server.log)
        assert "cannot use the store of jobs" in server.log
        assert failures(client) >= 1
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most, most))
        client.until_done(client.submit(small.known[:5]))


def test_a_database_that_is_not_there_stops_jobs_only(small: SmallForest, tmp_path: Path) -> None:
    url = "sqlite:////proc/acorn/features.sqlite"
    with (
        quick_app(tmp_path, small, database_url=url) as server,
        JobsClient(server) as client,
    ):
        assert ask(server, small.known[0], *small.unknown[:3]).status_code == 200
        body = {"architectures": [_spec(small.known[0])]}
        for response in (client.post("/jobs", json=body), client.get("/jobs")):
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) >= 1
            assert "/proc" not in response.text
        before = failures(client)
        assert client.get("/jobs").status_code == 503
        assert failures(client) > before
        assert server.says("ready")


def test_a_job_is_for_the_key_that_sent_it(small: SmallForest, tmp_path: Path) -> None:
    def hashed(name: str) -> str:
        return f"{name}:sha256={hashlib.sha256(name.encode()).hexdigest()}"

    with quick_app(tmp_path, small, api_keys=",".join(map(hashed, ("ann", "bob")))) as server:
        ann, bob = (JobsClient(server, headers={"X-API-Key": key}) for key in ("ann", "bob"))
        with ann, bob:
            job = ann.submit(small.known[:3])
            assert bob.get(job["links"]["job"]).status_code == 404
            assert bob.get(job["links"]["result"]).status_code == 404
            assert bob.delete(job["links"]["job"]).status_code == 404
            assert bob.get("/jobs").json()["jobs"] == []
            ann.until_done(job)
            assert server.get("/jobs").status_code == 401


def failures(client: JobsClient) -> float:
    lines = client.get("/metrics").text.splitlines()
    (line,) = (line for line in lines if line.startswith("acorn_store_failures_total "))
    return float(line.split()[-1])


def _spec(cell: str) -> dict[str, str]:
    return {"space": "nats_tss", "arch": cell}
