"""Searches as jobs: candidates, generations, the front so far, and what is refused."""

import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from acorn.nas.objectives import Objectives, parse_constraints
from acorn.schemas.jobs import Job, SearchFront
from service.jobs.job_tables import result_row
from tests.service.in_process import quick_app
from tests.service.jobs_client import JobsClient
from tests.service.quick_servers import quick_server
from tests.service.servers import Requests
from tests.service.small_forest import SmallForest

Json = dict[str, Any]
ROBUST = "pgd_linf_1.0"


@pytest.fixture(scope="module")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    folder = tmp_path_factory.mktemp("searches")
    with quick_app(folder, small, max_job_architectures=100) as server:
        yield server


@pytest.fixture
def client(server: Requests) -> Iterator[JobsClient]:
    with JobsClient(server) as client:
        yield client


def search(client: JobsClient, **fields: object) -> Json:
    response = client.post("/jobs", json={"kind": "search", "space": "nats_tss", **fields})
    assert response.status_code == 202, response.text
    job: Json = response.json()
    return job


def front_of(client: JobsClient, job: Json) -> Json:
    response = client.get(job["front"])
    assert response.status_code == 200, response.text
    front: Json = response.json()
    SearchFront.model_validate(front)
    return front


def check_front(lines: list[Json], front: Json, constraints: str = "", **options: bool) -> None:
    """Check a front against one computed from all results."""
    frame = pl.DataFrame([result_row(line) for line in lines if "prediction" in line])
    objectives = Objectives(front["objectives"], parse_constraints(constraints), **options)
    assert [member["index"] for member in front["front"]] == objectives.front(frame)[
        "index"
    ].to_list()
    assert front["evaluated"] == len(frame)
    assert front["kept"] == int((objectives.violations(frame) == 0).sum())
    for member in front["front"]:
        assert member["prediction"] == lines[member["index"]]["prediction"]


def test_a_list_of_candidates(client: JobsClient, small: SmallForest) -> None:
    cells = [*small.known, *small.unknown[:30]]
    job = search(client, archs=cells, objectives=["clean", "params"], interval=0.5)
    Job.model_validate(job)
    assert (job["kind"], job["forest"], job["total"]) == ("search", small.name, len(cells))
    done = client.until_done(job)
    assert (done["done"], done["failed"]) == (len(cells), 0)
    front = front_of(client, job)
    assert front["job"] == done
    units = {each["name"]: (each["unit"], each["better"]) for each in front["quantities"]}
    assert units == {"clean": ("percent", "higher"), "params": ("million", "lower")}
    check_front(client.lines(job), front)
    assert len(front["front"]) > 2


@pytest.mark.parametrize("pessimistic", [False, True])
def test_evolution_keeps_constraints(client: JobsClient, pessimistic: bool) -> None:
    constraints = ["params<=0.8", "clean>=75"]
    settings: Json = {"population": 8, "evaluations": 30, "seed": 1}
    fields: Json = {"constraints": constraints, "pessimistic": pessimistic, **settings}
    job = search(client, objectives=["clean", ROBUST], **fields)
    assert job["total"] == 30
    done = client.until_done(job)
    assert (done["done"], done["total"]) == (30, 30)
    lines = client.lines(job)
    archs = [line["prediction"]["arch"] for line in lines]
    assert len({*archs}) == 30
    assert max(line["prediction"]["submitted"]["params"] for line in lines) <= 0.8
    front = front_of(client, job)
    check_front(lines, front, ",".join(constraints), pessimistic=pessimistic)
    again = search(client, objectives=["clean", ROBUST], **fields)
    client.until_done(again)
    assert [line["prediction"]["arch"] for line in client.lines(again)] == archs


def test_tables_of_the_front(client: JobsClient, small: SmallForest) -> None:
    job = search(client, archs=small.known)
    client.until_done(job)
    front = front_of(client, job)["front"]
    address = job["front"]
    table = pl.read_csv(io.BytesIO(client.get(f"{address}?format=csv").content))
    assert table["index"].to_list() == [member["index"] for member in front]
    assert {"arch", "clean", "clean.lower", "params", "in_domain"} <= {*table.columns}
    accept = {"Accept": "application/vnd.apache.parquet"}
    same = pl.read_parquet(io.BytesIO(client.get(address, headers=accept).content))
    assert same["arch"].to_list() == table["arch"].to_list()
    nothing = search(client, archs=small.known, constraints=["clean>=100"])
    client.until_done(nothing)
    assert front_of(client, nothing)["front"] == []
    assert client.get(nothing["front"], params={"format": "csv"}).status_code == 200


def test_a_failed_architecture_is_named_and_not_tried_again(
    small: SmallForest, tmp_path: Path
) -> None:
    with (
        quick_app(tmp_path, small, max_params=0.5) as server,
        JobsClient(server) as client,
    ):
        job = search(client, population=8, evaluations=32)
        done = client.until_done(job)
        lines = client.lines(job)
    assert done["failed"] > 0
    assert done["done"] + done["failed"] == 32
    specs = [line.get("architecture") or line["prediction"] for line in lines]
    assert len({spec["arch"] for spec in specs}) == 32
    errors = [line for line in lines if "error" in line]
    assert all("million parameters" in line["error"]["detail"] for line in errors)


BAD: list[tuple[Json, str, str]] = [
    ({"space": "nasnet"}, "/space", "got space 'nasnet'; expected one of"),
    ({"objectives": ["snow"]}, "/objectives/0", "unknown target 'snow'"),
    ({"objectives": []}, "/objectives", "at least 1"),
    ({"objectives": ["clean", "clean"]}, "/objectives", "twice"),
    ({"constraints": ["clean>=3", "clean>=120"]}, "/constraints/1", "from 0 to 100 (percent)"),
    ({"constraints": ["adv.clean>=12"]}, "/constraints/0", "unknown target 'adv.clean'"),
    ({"population": 3}, "/population", "greater than or equal to 4"),
    ({"population": 20, "evaluations": 10}, "/evaluations", "at least the population, 20"),
    ({"evaluations": 1_000_000}, "/evaluations", "less than or equal to 10000"),
    ({"seed": "3"}, "/seed", "valid integer"),
    ({"archs": ["|none~0|"]}, "/archs/0", "expected"),
    ({"archs": [0] * 101}, "/archs", "got 101 architectures; expected at most 100"),
    ({"dataset": "mnist"}, "/dataset", "unknown dataset 'mnist'"),
    ({"forest": "oak"}, "/forest", "no forest 'oak'"),
    ({"conditions": {"image_size": 3}}, "/conditions/image_size", "image_size"),
    ({"constraints": ["params<=0.001"]}, "/space", "keeps within the limits"),
    ({"targets": ["clean"]}, "/targets", "not known"),
]


@pytest.mark.parametrize(("fields", "pointer", "detail"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input(client: JobsClient, fields: Json, pointer: str, detail: str) -> None:
    response = client.post("/jobs", json={"kind": "search", "space": "nats_tss", **fields})
    assert response.status_code == 422, response.text
    (item,) = response.json()["errors"]
    assert item["pointer"] == pointer
    assert detail in item["detail"]


def test_what_is_no_search(client: JobsClient, small: SmallForest) -> None:
    job = client.submit(small.known[:1])
    assert job["front"] is None
    response = client.get(f"/jobs/{job['id']}/front")
    assert response.status_code == 404
    assert "no search" in response.json()["detail"]
    lines = {"Content-Type": "application/x-ndjson"}
    response = client.post("/jobs?kind=search", content="{}\n", headers=lines)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/query/kind"


@pytest.mark.slow
def test_a_search_outlives_a_server_that_is_killed(small: SmallForest, tmp_path: Path) -> None:
    settings: Json = {"population": 8, "evaluations": 80, "objectives": ["clean", ROBUST]}
    options: Json = {"default": "sleep 0.05", "job_lease_seconds": 2}
    with quick_server(tmp_path / "a", small, **options) as server, JobsClient(server) as client:
        job = search(client, **settings)
        client.until_begun(job)
        growing = front_of(client, job)
        assert growing["job"]["state"] == "running"
        assert growing["front"]
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
    with quick_server(tmp_path / "a", small, **options) as server, JobsClient(server) as client:
        done = client.until_done(job)
        lines = client.lines(job)
        front = front_of(client, job)
        undisturbed = search(client, **settings)
        client.until_done(undisturbed)
        same = client.lines(undisturbed)
    assert (done["done"], done["failed"]) == (80, 0)
    check_front(lines, front)
    archs = [line["prediction"]["arch"] for line in lines]
    assert archs == [line["prediction"]["arch"] for line in same]
    assert len({*archs}) == 80
    assert json.dumps(front["front"])
