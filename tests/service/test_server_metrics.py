"""What ``GET /metrics`` counts, seen from outside a real server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from acorn.errors import AcornError
from service import errors
from service.observability.metrics import Metrics, reason_of
from tests.service.in_process import quick_app
from tests.service.quick_servers import ask
from tests.service.servers import ROOT, Requests, until
from tests.service.small_forest import SmallForest


@pytest.fixture(scope="module")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    deadly, failing = small.unknown[:2]
    faults = {deadly: "die", failing: "raise it is broken"}
    with quick_app(tmp_path_factory.mktemp("metrics"), small, faults=faults) as server:
        yield server


def samples(server: Requests) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    response = server.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(server: Requests, metric: str, /, **labels: str) -> float:
    return samples(server).get((metric, tuple(sorted(labels.items()))), 0.0)


def test_features_are_counted_by_where_they_came_from(server: Requests, small: SmallForest) -> None:
    def lookups() -> list[float]:
        sources = ("table", "cache", "computed")
        return [value(server, "acorn_feature_lookups_total", source=each) for each in sources]

    before = lookups()
    cells = [*small.known[:3], small.unknown[2]]
    for _ in range(2):
        assert ask(server, *cells).status_code == 200
    assert [b - a for a, b in zip(before, lookups(), strict=True)] == [6, 1, 1]
    for histogram in ("waiting", "computing"):
        assert value(server, f"acorn_{histogram}_seconds_count") >= 1


def test_requests_are_measured_by_route_and_status(server: Requests, small: SmallForest) -> None:
    def count(route: str, status: int, method: str = "POST") -> float:
        labels = {"route": route, "status": str(status), "method": method}
        return value(server, "acorn_request_seconds_count", **labels)

    asked = {("/predict", 200): 3, ("/predict", 422): 2, ("(none)", 404): 1}
    before = {each: count(*each) for each in asked}
    named = count("/forests/{name}", 404, "GET")
    for _ in range(3):
        ask(server, small.known[0])
    for _ in range(2):
        ask(server, "nonsense")
    server.post(f"/no/such/{small.known[0]}")
    server.get("/forests/nothing")
    assert {each: count(*each) - before[each] for each in asked} == asked
    assert count("/forests/{name}", 404, "GET") - named == 1
    server.request("BREW", "/predict")
    assert count("/predict", 405, "other") == 1


def test_failures_restarts_and_quarantine(server: Requests, small: SmallForest) -> None:
    deadly, failing = small.unknown[:2]
    assert ask(server, deadly).status_code == 500
    assert ask(server, failing).status_code == 500
    server.until_ready()
    assert value(server, "acorn_worker_restarts_total") >= 2
    assert value(server, "acorn_networks_quarantined") == 1
    assert value(server, "acorn_failures_total", reason="quarantined") == 1
    assert value(server, "acorn_failures_total", reason="computation") == 1
    until(lambda: value(server, "acorn_workers_ready") == 1)
    assert value(server, "acorn_ready") == value(server, "acorn_workers_wanted") == 1
    assert value(server, "acorn_queue_depth") == value(server, "acorn_networks_computing") == 0


def test_the_forest_is_named_with_its_digest(server: Requests, small: SmallForest) -> None:
    (info,) = server.get("/forests").json()["forests"]
    labels = {name: info[name] for name in ("name", "version", "space", "dataset", "digest")}
    assert value(server, "acorn_forest_info", **labels) == 1
    assert value(server, "acorn_forests_refused") == 0


def test_jobs_are_counted_by_state(server: Requests, small: SmallForest) -> None:
    states = ("queued", "running", "done", "cancelled", "failed")
    before = {state: value(server, "acorn_jobs", state=state) for state in states}
    body = {"architectures": [{"space": "nats_tss", "arch": cell} for cell in small.known]}
    assert server.post("/jobs", json=body).status_code == 202
    until(lambda: value(server, "acorn_jobs", state="done") == before["done"] + 1)
    assert {
        state for state in states if ("acorn_jobs", (("state", state),)) in samples(server)
    } == {*states}


def test_open_metrics_for_those_who_ask(server: Requests) -> None:
    accept = {"accept": "application/openmetrics-text; version=1.0.0, text/plain; q=0.5"}
    response = server.get("/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    families = open_metrics(response.text)  # type: ignore[no-untyped-call]
    assert any(family.name == "acorn_worker_restarts" for family in families)


def test_the_documentation_lists_every_metric(server: Requests) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    listed = set(re.findall(r"^\| `(acorn_\w+)", page, flags=re.MULTILINE))
    families = text_string_to_metric_families(server.get("/metrics").text)
    counted = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in families
        if family.name.startswith("acorn_") and not family.name.endswith("_created")
    }
    assert listed == counted


def test_apps_have_registries_of_their_own() -> None:
    one, other = Metrics(), Metrics()
    one.looked_up("table", 2)
    assert one.registry.get_sample_value("acorn_feature_lookups_total", {"source": "table"}) == 2
    assert other.registry.get_sample_value("acorn_feature_lookups_total", {"source": "table"}) == 0
    assert isinstance(one.registry, CollectorRegistry)


def test_every_error_has_a_reason_of_its_own() -> None:
    def tree(cls: type[AcornError]) -> set[type[AcornError]]:
        return {cls}.union(*map(tree, cls.__subclasses__()))

    names = {cls.__name__ for cls in tree(errors.ServiceError)}
    reasons = {reason_of(errors.ServiceError.__new__(cls)) for cls in tree(errors.ServiceError)}
    assert len(reasons) == len(names)
    assert reason_of(errors.QueueFullError("x")) == "queue_full"


def test_a_full_store_is_counted_and_predictions_go_on(small: SmallForest, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    url = f"sqlite:///{blocked}/x.sqlite"
    with quick_app(tmp_path / "server", small, database_url=url) as server:
        assert ask(server, small.unknown[5]).status_code == 200
        assert value(server, "acorn_store_failures_total") >= 1
