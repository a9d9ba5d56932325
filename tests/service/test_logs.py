"""Logs: one record a request, and the request's id in all that is written about it."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.observability.logs import configure_logging
from tests.service.in_process import quick_app
from tests.service.quick_servers import ask, quick_server
from tests.service.servers import Requests, until
from tests.service.small_forest import SmallForest


@pytest.fixture(scope="module")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    with quick_app(tmp_path_factory.mktemp("logs"), small, log_format="json") as server:
        yield server


def records(server: Requests, id_: str) -> list[dict[str, Any]]:
    """Read what the log says of a request."""
    lines = map(json.loads, server.log.splitlines())
    return [record for record in lines if record.get("request_id") == id_]


def test_every_line_is_an_object(server: Requests) -> None:
    lines = server.log.splitlines()
    assert lines
    for line in lines:
        assert {"timestamp", "level", "logger", "process", "message"} <= json.loads(line).keys()


def test_one_access_record_a_request(server: Requests, small: SmallForest) -> None:
    ask(server, small.known[0], headers={"X-Request-ID": "request-1"})
    server.get("/forests/x?secret=1", headers={"X-Request-ID": "request-2"})
    until(lambda: bool(records(server, "request-2")))
    (record,) = records(server, "request-1")
    assert record["logger"] == "service.access"
    expected = {"method": "POST", "route": "/predict", "status": 200, "key": None}
    assert {name: record[name] for name in expected} == expected
    assert 0 < record["seconds"] < 60
    (record,) = records(server, "request-2")
    assert (record["route"], record["status"]) == ("/forests/{name}", 404)
    assert "secret" not in server.log


def test_the_id_is_echoed(server: Requests, small: SmallForest) -> None:
    given = "a.B-c_9" * 18
    response = ask(server, "nonsense", headers={"X-Request-ID": given})
    assert response.headers["x-request-id"] == given
    assert response.json()["request_id"] == given


@pytest.mark.parametrize("id_", ["", "a" * 129, "a b", "a\tb", "ä", "a;b", '"', "a,b", "{}"])
def test_an_id_that_is_not_sane_is_replaced(server: Requests, id_: str) -> None:
    headers = {"X-Request-ID": id_.encode()}
    response = server.get("/nothing", headers=headers)
    made = response.headers["x-request-id"]
    assert made != id_
    assert len(made) == 16
    assert response.json()["request_id"] == made


def test_ids_differ(server: Requests) -> None:
    made = {server.get("/health/live").headers["x-request-id"] for _ in range(10)}
    assert len(made) == 10


@pytest.mark.slow
def test_workers_name_the_request_that_they_work_for(small: SmallForest, tmp_path: Path) -> None:
    deadly, failing = small.unknown[:2]
    faults = {deadly: "die", failing: "raise it is broken"}
    with quick_server(tmp_path, small, faults=faults, log_format="json") as server:
        check_records(server, small)


def check_records(server: Requests, small: SmallForest) -> None:
    deadly, failing = small.unknown[:2]
    assert ask(server, failing, headers={"X-Request-ID": "failing"}).status_code == 500
    until(lambda: len(records(server, "failing")) == 3)
    by_logger = {record["logger"]: record for record in records(server, "failing")}
    worker = by_logger["service.workers.worker"]
    assert worker["process"] != by_logger["service.access"]["process"]
    assert "RuntimeError: it is broken" in worker["exc_info"]
    assert by_logger["service.workers.pool"]["level"] == "ERROR"
    assert ask(server, deadly, headers={"X-Request-ID": "deadly"}).status_code == 500
    until(lambda: len(records(server, "deadly")) == 3)
    messages = " ".join(record["message"] for record in records(server, "deadly"))
    assert "tried once more" in messages
    assert "quarantined" in messages
    # What a worker does later is not said of an earlier request.
    server.until_ready()
    assert ask(server, small.unknown[2], headers={"X-Request-ID": "later"}).status_code == 200
    assert len(records(server, "failing")) == 3


def test_probes_are_not_in_the_way(server: Requests) -> None:
    for path in ("health/live", "health/ready", "metrics"):
        server.get(f"/{path}", headers={"X-Request-ID": "probe"})
    server.get("/spaces", headers={"X-Request-ID": "after"})
    until(lambda: bool(records(server, "after")))
    assert records(server, "probe") == []


def test_text_is_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    configure_logging("info", "text")
    logging.getLogger("acorn.test").warning("it is %s", "so", extra={"request_id": "42"})
    logging.getLogger("acorn.test").info("and so")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("acorn.test: [42] it is so")
    assert second.endswith("acorn.test: and so")
