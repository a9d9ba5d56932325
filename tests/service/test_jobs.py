"""Jobs: what the server takes, what it tells, what it hands out, what it refuses."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from acorn.schemas.jobs import Job, ResultLine
from tests.service.in_process import quick_app
from tests.service.jobs_client import JobsClient, specs
from tests.service.quick_servers import quick_server
from tests.service.servers import Requests
from tests.service.small_forest import SmallForest

NDJSON = {"Content-Type": "application/x-ndjson"}
LIMITS: dict[str, Any] = {"max_job_architectures": 20_000, "max_job_body_bytes": 4_000_000}


@pytest.fixture(scope="module")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    folder = tmp_path_factory.mktemp("jobs")
    with quick_app(folder, small, **LIMITS) as server:
        yield server


@pytest.fixture
def client(server: Requests) -> Iterator[JobsClient]:
    with JobsClient(server) as client:
        yield client


def refused(response: httpx.Response, status: int) -> list[tuple[str, str]]:
    """Check that an answer is a problem of this status; returns its bad items."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return [(item["pointer"], item["detail"]) for item in response.json()["errors"]]


def test_a_job_answers_as_predictions_do(client: JobsClient, small: SmallForest) -> None:
    cells = [*small.known, *small.unknown[:20], *small.known[:5]]
    job = client.submit(cells, targets=["clean"], interval=0.5)
    Job.model_validate(job)
    assert (job["dataset"], job["forest"], job["total"]) == ("cifar10", small.name, len(cells))
    done = client.until_done(job)
    assert (done["done"], done["failed"], done["seconds_left"]) == (len(cells), 0, 0)
    assert done["rate"] > 0
    lines = client.lines(job)
    assert [line["index"] for line in lines] == [*range(len(cells))]
    body = {"architectures": specs(cells), "targets": ["clean"], "interval": 0.5}
    answer = client.post("/predict", json=body).json()
    for line, prediction in zip(lines, answer["predictions"], strict=True):
        ResultLine.model_validate(line)
        assert line["forest"] == answer["forest"]
        for changing in ("seconds", "feature_source"):
            del line["prediction"][changing], prediction[changing]
        assert line["prediction"] == prediction


def test_one_architecture_a_line(client: JobsClient, small: SmallForest) -> None:
    text = "\n".join(map(json.dumps, specs(small.known[:3]))) + "\n\n"
    options = {"targets": "clean, pgd_linf_1.0", "interval": "0.5", "features": "false"}
    response = client.post("/jobs", content=text, headers=NDJSON, params=options)
    assert response.status_code == 202, response.text
    client.until_done(response.json())
    lines = client.lines(response.json())
    assert [line["prediction"]["id"] for line in lines] == list(map(small.id, small.known[:3]))
    assert list(lines[0]["prediction"]["targets"]) == ["clean", "pgd_linf_1.0"]
    assert lines[0]["prediction"]["features"] == {}


def test_results_go_on_from_where_the_client_was(client: JobsClient, small: SmallForest) -> None:
    job = client.submit(small.known[:10])
    client.until_done(job)
    whole = client.get(job["links"]["result"])
    assert whole.headers["x-job-complete"] == "true"
    assert whole.headers["x-job-next-index"] == "10"
    assert [line["index"] for line in client.lines(job, **{"from": 7})] == [7, 8, 9]
    assert client.lines(job, **{"from": 10}) == []
    assert refused(client.get(f"{job['links']['result']}?from=-1"), 422)[0][0] == "/query/from"


def test_tables(client: JobsClient, small: SmallForest) -> None:
    job = client.submit(small.known[:9], targets=["clean"])
    client.until_done(job)
    lines = client.lines(job)
    by_format = client.get(job["links"]["result"], params={"format": "parquet"})
    assert by_format.headers["content-type"] == "application/vnd.apache.parquet"
    parquet = pl.read_parquet(io.BytesIO(by_format.content))
    by_accept = client.get(job["links"]["result"], headers={"Accept": "text/csv"})
    assert by_accept.headers["content-type"].startswith("text/csv")
    csv = pl.read_csv(io.BytesIO(by_accept.content))
    for table in (parquet, csv):
        assert table["index"].to_list() == [*range(9)]
        for name, key in (("clean", "value"), ("clean.lower", "lower")):
            expected = [line["prediction"]["targets"]["clean"][key] for line in lines]
            assert table[name].to_list() == expected
        assert table["arch"].to_list() == [line["prediction"]["arch"] for line in lines]
        assert f"feature.{small.features[0]}" in table.columns
        assert table["error"].null_count() == 9
    assert refused(client.get(f"{job['links']['result']}?format=xml"), 422)


def test_progress_is_told_until_the_end_and_not_again(
    client: JobsClient, small: SmallForest
) -> None:
    job = client.submit([*small.unknown[20:60], *small.known] * 4)
    events = client.events(job)
    finished = [data["done"] + data["failed"] for _, _, data in events]
    assert finished == sorted(finished)
    assert [name for name, _, _ in events] == ["progress"] * (len(events) - 1) + ["end"]
    assert events[-1][2] == client.show(job)
    if len(events) > 1:
        assert client.events(job, last=events[-2][1]) == events[-1:]
    seen = client.get(job["links"]["events"], headers={"Last-Event-ID": events[-1][1]})
    assert seen.status_code == 204


def test_the_same_key_is_the_same_job(client: JobsClient, small: SmallForest) -> None:
    def send(cells: list[str], key: str) -> httpx.Response:
        body = {"architectures": specs(cells)}
        return client.post("/jobs", json=body, headers={"Idempotency-Key": key})

    first, again = send(small.known[:2], "a"), send(small.known[:2], "a")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.headers["location"] == again.headers["location"]
    assert send(small.known[:2], "b").status_code == 202
    assert refused(send(small.known[:3], "a"), 422)[0][0] == "/header/idempotency-key"
    client.until_done(first.json())
    assert send(small.known[:2], "a").json()["state"] == "done"
    assert client.delete(first.headers["location"]).status_code == 204
    assert send(small.known[:2], "a").status_code == 202
    assert refused(send(small.known[:2], "x" * 256), 422)


def test_a_job_that_has_ended_is_forgotten_on_demand(
    client: JobsClient, small: SmallForest
) -> None:
    job = client.submit(small.known[:2])
    client.until_done(job)
    refused(client.delete(job["links"]["job"], params={"keep": True}), 409)
    assert client.show(job)["state"] == "done"
    assert client.delete(job["links"]["job"]).status_code == 204
    for path in job["links"].values():
        refused(client.get(path), 404)
    refused(client.delete(job["links"]["job"]), 404)


def test_lists_go_from_page_to_page(client: JobsClient, small: SmallForest) -> None:
    ids = [client.submit(small.known[:1])["id"] for _ in range(3)]
    page = client.get("/jobs", params={"limit": 2}).json()
    assert [job["id"] for job in page["jobs"]] == ids[:0:-1]
    older = client.get(page["next"]).json()
    assert older["jobs"][0]["id"] == ids[0]
    refused(client.get("/jobs", params={"limit": 0}), 422)
    refused(client.get("/jobs", params={"after": "nothing"}), 404)


def test_every_bad_item_is_counted_and_the_first_are_listed(
    client: JobsClient, small: SmallForest
) -> None:
    good = specs(small.known * 50)
    one: list[Any] = [*good]
    one[2_100] = {"space": "nats_tss", "arch": "x"}
    (item,) = refused(client.post("/jobs", json={"architectures": one}), 422)
    assert item[0] == "/architectures/2100/arch"
    many = [*good, *[{"space": "nats_tss", "arch": "x"}] * 1_500, 5]
    response = client.post("/jobs", json={"architectures": many})
    items = refused(response, 422)
    assert [pointer for pointer, _ in items] == [
        f"/architectures/{index}/arch" for index in range(2_400, 2_500)
    ]
    assert "1501 items" in response.json()["detail"]
    once = refused(client.post("/jobs", json={"architectures": good, "targets": ["x"]}), 422)
    assert [pointer for pointer, _ in once] == ["/targets/0"]


def test_bad_lines_are_named_by_their_place(client: JobsClient, small: SmallForest) -> None:
    good = json.dumps(specs(small.known[:1])[0])
    text = f'{good}\n{{"space": \n{good}\n{{"space": "nats_tss", "arch": "x"}}\n[1e999]\n'
    response = client.post("/jobs", content=text, headers=NDJSON, params={"interval": "x"})
    found = dict(refused(response, 422))
    places = ("/architectures/1", "/architectures/3/arch", "/architectures/4/0", "/interval")
    assert sorted(found) == sorted(places)
    assert "the line is not JSON" in found["/architectures/1"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ({}, "/architectures"),
        ({"architectures": 5}, "/architectures"),
        ({"architectures": []}, "/architectures"),
        ({"architectures": specs(["x"]), "forest": "none"}, "/forest"),
        ({"architectures": [], "colour": 1}, "/colour"),
    ],
)
def test_documents_that_are_no_job(client: JobsClient, body: object, pointer: str) -> None:
    assert pointer in [at for at, _ in refused(client.post("/jobs", json=body), 422)]


def test_what_is_no_job_at_all(client: JobsClient, small: SmallForest) -> None:
    refused(client.post("/jobs", content="{", headers={"Content-Type": "application/json"}), 400)
    refused(client.post("/jobs", content="x", headers={"Content-Type": "text/plain"}), 415)
    refused(client.post("/jobs", content=b"", headers=NDJSON), 422)
    refused(client.post("/jobs", content=b" " * 4_000_001, headers=NDJSON), 413)
    body = {"architectures": specs(small.known[:1])}
    items = refused(client.post("/jobs", json=body, params={"dataset": "cifar10"}), 422)
    assert items[0][0] == "/query/dataset"
    too_many = b"[]\n" * 20_001
    items = refused(client.post("/jobs", content=too_many, headers=NDJSON), 422)
    assert items == [("/architectures", "got 20001 architectures; expected at most 20000")]
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/result"), ("GET", "/events")):
        refused(client.request(method, f"/jobs/nothing{path}"), 404)


def test_a_wrong_method_is_told_the_right_ones(client: JobsClient) -> None:
    for path, allowed in (("/jobs", "GET, POST"), ("/jobs/x", "DELETE, GET")):
        response = client.put(path)
        refused(response, 405)
        assert response.headers["allow"] == allowed


def test_limits_are_told(client: JobsClient) -> None:
    limits = client.get("/spaces").json()["limits"]
    assert limits["max_job_architectures"] == 20_000
    assert limits["max_job_body_bytes"] == 4_000_000
    assert limits["max_active_jobs"] == 100


@pytest.mark.slow
def test_twenty_thousand_are_taken_with_little_memory(small: SmallForest, tmp_path: Path) -> None:
    cells = ((small.known + small.unknown) * 100)[:20_000]
    text = "\n".join(map(json.dumps, specs(cells)))
    with quick_server(tmp_path, small, **LIMITS) as server, JobsClient(server) as client:
        before = peak_mebibytes(server.pid)
        response = client.post("/jobs", content=text, headers=NDJSON)
        assert response.status_code == 202, response.text
        assert response.json()["total"] == 20_000
        assert client.post("/predict", json={"architectures": specs(cells[:1])}).status_code == 200
        assert client.delete(response.headers["location"]).json()["state"] == "cancelled"
        assert peak_mebibytes(server.pid) - before < 150


def peak_mebibytes(pid: int) -> float:
    (line,) = (
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024
