"""What the client does about servers that are busy, slow, gone or strange, and about keys."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Barrier

import pytest

from acorn.client import (
    Client,
    ClientError,
    ConnectionFailed,
    Retries,
    ServerProblem,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from acorn.client.exchanges import read_retry_after
from acorn.errors import InputError
from service.http.middleware.keys import new_key
from tests.client.conftest import KEY, Kind
from tests.client.relay import answer, answering, relay
from tests.service.quick_servers import quick_server
from tests.service.servers import ROOT, Server, free_port
from tests.service.small_forest import SmallForest

QUICK = Retries(attempts=3, first_pause=0.05)


@contextmanager
def statuses(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """The statuses that come back within the block, as the HTTP library logs them."""
    found: list[str] = []
    with caplog.at_level(logging.INFO, "httpx2"):
        before = len(caplog.records)
        yield found
    lines = [each.getMessage() for each in caplog.records[before:] if each.name == "httpx2"]
    found += [line.rpartition('"HTTP/1.1 ')[2][:3] for line in lines]


@pytest.fixture(scope="module")
def strict(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that bounds how often one may ask."""
    with quick_server(tmp_path_factory.mktemp("strict"), small, rate_limit="3/second") as server:
        yield server


@pytest.mark.slow
def test_a_server_that_is_asked_too_often(
    strict: Server, small: SmallForest, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    with kind(strict.url, retries=QUICK) as client, statuses(caplog) as seen:
        start = time.monotonic()
        found = [*client.iter_predict(small.known[:8], space="nats_tss", chunk=1)]
        assert time.monotonic() - start >= 1.0
    assert [each.id for each in found] == [small.id(cell) for cell in small.known[:8]]
    assert seen.count("200") == 9  # and one for the limits
    assert "429" in seen
    cells = small.known[:20]
    with kind(strict.url, deadline=0.2) as client, pytest.raises(TooManyRequests) as caught:
        list(client.iter_predict(cells, space="nats_tss", chunk=1))
    assert (caught.value.retry_after or 0) >= 1


@pytest.fixture(scope="module")
def narrow(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a short queue."""
    with quick_server(
        tmp_path_factory.mktemp("narrow"), small, default="sleep 0.1", queue_size=2
    ) as server:
        yield server


@pytest.mark.slow
def test_a_full_queue_empties(
    narrow: Server, small: SmallForest, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    first = 20 if kind is Client else 40
    cells = small.unknown[first : first + 20]

    together = Barrier(10)

    def ask(cell: str) -> str:
        with kind(narrow.url) as client:
            together.wait()
            found: str = client.predict(cell, space="nats_tss").predictions[0].id
            return found

    with ThreadPoolExecutor(10) as threads, statuses(caplog) as seen:
        assert [*threads.map(ask, cells[:10])] == [small.id(cell) for cell in cells[:10]]
    assert "429" in seen
    with kind(narrow.url) as client:
        found = [each.id for each in client.iter_predict(cells, space="nats_tss")]
    assert found == [small.id(cell) for cell in cells]


def test_a_connection_that_breaks_is_made_anew(
    server: Server, small: SmallForest, kind: Kind
) -> None:
    with relay(server.url, 0, 40) as url, kind(url, api_key=KEY, retries=QUICK) as client:
        assert client.predict(small.known[0], space="nats_tss").predictions


def test_what_may_have_arrived_is_not_sent_twice(server: Server, kind: Kind) -> None:
    with (
        relay(server.url, 0) as url,
        kind(url, api_key=KEY, retries=QUICK) as client,
        pytest.raises(ConnectionFailed),
    ):
        client.jobs.forget("0" * 32)


def test_nobody_listens(kind: Kind) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with kind(url, retries=QUICK) as client, pytest.raises(ConnectionFailed, match="no answer"):
        client.spaces()


def test_silence_ends_with_the_timeout_or_the_deadline(kind: Kind) -> None:
    with answering(None) as url:
        for options in (
            {"timeout": 0.3, "retries": Retries(attempts=1)},
            {"timeout": 600.0, "deadline": 0.5},  # longer than any test may take
        ):
            with kind(url, **options) as client, pytest.raises(ConnectionFailed, match="Timeout"):
                client.spaces()


def test_proxies_are_understood_as_far_as_they_can_be(
    server: Server, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    page = "<h1>starting</h1>"
    busy = answer("503 Service Unavailable", page, "Retry-After: 0")
    fine = answer("200 OK", '{"status": "live"}')
    ready = '{"status": "ready", "forests": [], "workers": {}}'
    forests = answer("200 OK", '{"forests": [], "refused": []}')
    with answering(busy, busy, forests) as url, kind(url, retries=QUICK) as client:
        assert client.forests().forests == []
    with answering(answer("503 Service Unavailable", page)) as url, kind(url) as client:
        with statuses(caplog) as seen, pytest.raises(Unavailable, match="starting") as caught:
            client.health()
        assert seen == ["503"]  # a question of health gets one answer
        assert caught.value.retry_after is None
    # A proxy that lost its server answers for it; no request is known to have had an effect.
    for status in ("500 Internal Server Error", "502 Bad Gateway", "504 Gateway Timeout"):
        lost = answer(status)
        with answering(lost, forests) as url, kind(url, retries=QUICK) as client:
            assert client.forests().forests == []
        with answering(lost) as url, kind(url, retries=QUICK) as client:
            with statuses(caplog) as seen, pytest.raises(ServerProblem, match="has no text"):
                client.forests()
            assert seen == [status[:3]] * 3
            with statuses(caplog) as seen, pytest.raises(ServerProblem):
                client.jobs.forget("0" * 32)
            assert seen == [status[:3]]
    for odd in (fine, answer("200 OK", page), answer("200 OK", ready), answer("204 No Content")):
        with answering(odd) as url, kind(url) as client, pytest.raises(UnexpectedAnswer):
            client.health()
    away = answer("302 Found", "", "Location: http://127.0.0.1:9/elsewhere")
    with (
        answering(away) as url,
        kind(url) as client,
        pytest.raises(UnexpectedAnswer, match="elsewhere"),
    ):
        client.predict("x", space="nats_tss")


def test_refusals_are_final(
    server: Server, small: SmallForest, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        kind(server.url, api_key=new_key(), retries=QUICK) as client,
        statuses(caplog) as seen,
        pytest.raises(Unauthorized, match="not known"),
    ):
        client.predict(small.known[0], space="nats_tss")
    assert seen == ["401"]
    with (
        kind(server.url, api_key=KEY, retries=QUICK) as client,
        statuses(caplog) as seen,
        pytest.raises(ServerProblem, match="cannot be computed") as caught,
    ):
        client.predict([small.known[0], small.unknown[0]], space="nats_tss")
    assert seen == ["500"]
    assert [*caught.value.errors] == ["/architectures/1"]


def test_pauses_grow_and_honour_what_the_server_says() -> None:
    retries = Retries(first_pause=1.0, longest_pause=4.0)
    for failures, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (9, 4.0)):
        drawn = [retries.backoff(failures, None) for _ in range(200)]
        assert 0.0 <= min(drawn) < longest / 4
        assert longest * 3 / 4 < max(drawn) <= longest
        assert min(retries.backoff(failures, 7.0) for _ in range(200)) >= 7.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("17", 17.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_either_form_of_retry_after(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text, lambda: datetime(2026, 11, 22, 12, tzinfo=UTC)) == seconds


def test_no_key_is_ever_shown(
    server: Server, small: SmallForest, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    said = []
    with caplog.at_level(logging.DEBUG):
        for key in (KEY, new_key()):
            with kind(server.url, api_key=key) as client:
                said.append(repr(client))
                for cell in (small.known[0], "|oops|"):
                    try:
                        client.predict(cell, space="nats_tss")
                    except ClientError as error:
                        said += [str(error), repr(error), str(error.__dict__)]
            for wrong in (f"{key}\n", f"{key}é"):
                with pytest.raises(InputError, match="API key") as caught:
                    kind(server.url, api_key=wrong)
                said.append(str(caught.value))
    said += [record.getMessage() for record in caplog.records]
    assert len(caplog.records) > 4
    secrets = [KEY, KEY.removeprefix("acorn_")]
    assert not [text for text in said for secret in secrets if secret in text]


def test_the_server_learns_who_asks(server: Server, kind: Kind) -> None:
    with kind(server.url, api_key=KEY) as client:
        agent = (client._client if kind is not Client else client)._http.headers["user-agent"]
    assert agent.startswith("acorn-client/")


def test_importing_it_is_light() -> None:
    code = (
        "import sys, acorn.client\n"
        "heavy = 'torch sklearn fastapi starlette sqlalchemy polars narwhals numpy uvicorn'\n"
        "print([name for name in heavy.split() if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
