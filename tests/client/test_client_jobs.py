"""Jobs through the client, of either kind: sent, followed, read, ended."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from acorn.client import (
    Conflict,
    JobFailed,
    JobTimeout,
    NotFound,
    Retries,
    TooManyRequests,
    ValidationProblem,
)
from acorn.schemas.jobs import Job
from service.jobs.submission import MIN_PART
from tests.client.conftest import KEY, Kind
from tests.client.relay import relay
from tests.service.quick_servers import quick_server
from tests.service.servers import Server, until
from tests.service.small_forest import SmallForest


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file without which the slow server gets no further with what it does not know."""
    path = tmp_path_factory.mktemp("gate") / "open"
    path.touch()
    return path


@pytest.fixture(scope="module")
def slow(
    small: SmallForest, gate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that takes a while for whatever it does not know, and one job at a time."""
    with quick_server(
        tmp_path_factory.mktemp("slow"), small, default=f"gate {gate}", max_active_jobs=1
    ) as server:
        yield server


@pytest.fixture
def patient(slow: Server, gate: Path, kind: Kind) -> Iterator[Any]:
    """A client of the slow server, which has nothing to do at the beginning."""
    with kind(slow.url) as client:
        yield client
        for job in client.jobs.list().jobs:
            client.jobs.cancel(job)
        gate.touch()


@pytest.fixture(scope="module")
def fresh(small: SmallForest) -> Iterator[str]:
    """Cells that nobody has asked for."""
    return iter(small.unknown)


def test_a_list_is_sent_followed_and_read(client: Any, small: SmallForest) -> None:
    cells = [*small.known, small.unknown[0], *small.unknown[1:30]]
    seen: list[Job] = []
    job = client.jobs.submit(
        (cell for cell in cells), space="nats_tss", targets=["clean"], features=False, interval=0.5
    )
    assert (job.total, job.forest, job.dataset) == (len(cells), small.name, "cifar10")
    ended = client.jobs.wait(job, on_progress=seen.append, timeout=60)
    assert (ended.state, ended.done, ended.failed) == ("done", len(cells) - 1, 1)
    assert seen[-1] == ended
    assert client.jobs.get(job.id).state == "done"
    lines = [*client.jobs.results(job)]
    assert [line.index for line in lines] == [*range(len(cells))]
    failed = lines.pop(len(small.known))
    assert failed.prediction is None
    assert "broken" in failed.error.detail
    assert [*lines[0].prediction.targets] == ["clean"]
    assert lines[0].prediction.features == {}
    assert [line.prediction.id for line in lines][:3] == [small.id(cell) for cell in cells[:3]]
    assert [line.index for line in client.jobs.results(job.id, start=50)][:2] == [50, 51]
    table = client.jobs.frame(job)
    assert table["index"].to_list() == [*range(len(cells))]
    assert table["clean"].null_count() == 1
    assert client.jobs.wait(job) == client.jobs.get(job)
    client.jobs.forget(job)
    with pytest.raises(NotFound):
        client.jobs.get(job)


def test_a_search_and_its_front(client: Any, small: SmallForest) -> None:
    options: dict[str, Any] = {"objectives": "clean,params", "constraints": ["clean>=60"]}
    job = client.jobs.search("nats_tss", archs=small.known, **options)
    assert (job.kind, job.total, job.forest) == ("search", len(small.known), small.name)
    ended = client.jobs.wait(job, timeout=60)
    found = client.jobs.front(job)
    assert found.job == ended
    assert found.constraints == ["clean>=60"]
    assert {each.name: each.unit for each in found.quantities}["params"] == "million"
    values = [member.prediction.targets["clean"].value for member in found.front]
    assert values == sorted(values, reverse=True)
    assert min(values) >= 60
    assert len([*client.jobs.results(job)]) == len(small.known)
    with pytest.raises(ValidationProblem) as caught:
        client.jobs.search("nats_tss", objectives="snow")
    assert [*caught.value.errors] == ["/objectives/0"]
    with pytest.raises(TypeError, match="got the option explain"):
        client.jobs.search("nats_tss", explain="path")
    with pytest.raises(NotFound):
        client.jobs.front(client.jobs.submit(small.known[:1], space="nats_tss"))


def test_results_come_while_the_job_runs(
    patient: Any, small: SmallForest, gate: Path, fresh: Iterator[str]
) -> None:
    gate.unlink()  # its first part is known, and the others have to wait
    cells = [*small.known[:MIN_PART], *islice(fresh, 20 - MIN_PART)]
    job = patient.jobs.submit(cells, space="nats_tss", features=False)
    results = patient.jobs.results(job)
    assert next(results).index == 0
    assert patient.jobs.get(job).state == "running"
    gate.touch()
    assert [line.index for line in results] == [*range(1, 20)]
    assert patient.jobs.get(job).state == "done"
    assert len([*patient.jobs.results(job)]) == 20


def test_events_until_the_end(patient: Any, gate: Path, fresh: Iterator[str]) -> None:
    gate.unlink()
    job = patient.jobs.submit(islice(fresh, 10), space="nats_tss")
    coming = patient.jobs.events(job)
    events = [next(coming)]
    gate.touch()
    events += coming
    assert len(events) > 1
    assert [each.done for each in events] == sorted(each.done for each in events)
    assert events[-1] == patient.jobs.get(job)
    assert [each.state for each in patient.jobs.events(job)] == ["done"]


def test_the_same_key_leads_to_the_same_job(patient: Any, small: SmallForest) -> None:
    cells = small.known[:5]
    key = f"mine-{type(patient)}"
    first = patient.jobs.submit(cells, space="nats_tss", key=key)
    assert patient.jobs.submit(cells, space="nats_tss", key=key).id == first.id
    with pytest.raises(ValidationProblem, match="another request"):
        patient.jobs.submit(cells[1:], space="nats_tss", key=key)
    patient.jobs.wait(first)
    assert patient.jobs.submit(cells, space="nats_tss").id != first.id
    newest, older = patient.jobs.list(limit=2).jobs
    assert older == patient.jobs.list(limit=1, after=newest).jobs[0]


def test_a_job_is_cancelled_once_and_for_all(
    patient: Any, small: SmallForest, gate: Path, fresh: Iterator[str]
) -> None:
    gate.unlink()
    job = patient.jobs.submit(islice(fresh, 30), space="nats_tss")
    with pytest.raises(JobTimeout) as late:
        patient.jobs.wait(job, timeout=0.1)
    assert late.value.job.active
    with pytest.raises(Conflict):
        patient.jobs.frame(job)
    assert [*patient.jobs.results(job, start=29, follow=False)] == []
    assert patient.jobs.cancel(job).state == "cancelled"
    assert patient.jobs.cancel(job).state == "cancelled"
    with pytest.raises(JobFailed, match="cancelled") as caught:
        patient.jobs.wait(job)
    assert caught.value.job.id == job.id
    assert len([*patient.jobs.results(job)]) < 30
    done = patient.jobs.wait(patient.jobs.submit(small.known[:3], space="nats_tss"))
    assert patient.jobs.cancel(done) == done


def test_a_server_with_jobs_enough_says_so(
    patient: Any, slow: Server, small: SmallForest, gate: Path, fresh: Iterator[str]
) -> None:
    gate.unlink()
    job = patient.jobs.submit(islice(fresh, 20), space="nats_tss")
    kind = type(patient)
    with kind(slow.url, deadline=0.2) as other, pytest.raises(TooManyRequests) as caught:
        other.jobs.submit(small.known[:3], space="nats_tss")
    assert caught.value.retry_after == 60
    patient.jobs.cancel(job)


def test_a_list_that_is_refused(client: Any, small: SmallForest) -> None:
    with pytest.raises(ValidationProblem) as caught:
        client.jobs.submit([small.known[0], "|oops|"], space="nats_tss")
    assert [*caught.value.errors] == ["/architectures/1/arch"]
    with pytest.raises(ValidationProblem):
        client.jobs.submit([], space="nats_tss")
    with pytest.raises(ValidationProblem, match="nothing"):
        client.jobs.submit(small.known[:1], space="nats_tss", targets=["nothing"])


def test_what_breaks_off_is_taken_up_again(
    server: Server, small: SmallForest, kind: Kind, tmp_path: Path
) -> None:
    """Sent twice, it is one job; read twice, every line is there once."""
    cells = small.known * 5
    quick = Retries(attempts=3, first_pause=0.05)
    with kind(server.url, api_key=KEY) as client:
        before = len(client.jobs.list(limit=100).jobs)
    with relay(server.url, 40) as url, kind(url, api_key=KEY, retries=quick) as client:
        job = client.jobs.submit(cells, space="nats_tss", features=False)
        assert len(client.jobs.list(limit=100).jobs) == before + 1
        client.jobs.wait(job)
    bounds = 30_000, 0, 50_000
    with relay(server.url, *bounds) as url, kind(url, api_key=KEY, retries=quick) as client:
        lines = [*client.jobs.results(job)]
    assert [line.index for line in lines] == [*range(len(cells))]
    with relay(server.url, 700) as url, kind(url, api_key=KEY, retries=quick) as client:
        until(lambda: [*client.jobs.events(job)][-1].state == "done")


def test_a_long_list_goes_by_way_of_the_disk(
    server: Server, small: SmallForest, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acorn.client.requests.IN_MEMORY_BYTES", 1_000)
    with kind(server.url, api_key=KEY) as client:
        job = client.jobs.submit(small.known * 40, space="nats_tss", targets="clean")
        assert client.jobs.wait(job).done == 48 * 40
