"""Traces: sent where they are asked for, and nothing imported where they are not."""

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from acorn.errors import InputError
from service.http.app import create_app
from service.settings import Settings
from tests.service.quick_servers import ask, quick_server
from tests.service.servers import ROOT
from tests.service.small_forest import SmallForest


def has_extra() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Take what an exporter of traces sends."""
    taken: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", taken
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(not has_extra(), reason="needs the extra otel")
def test_requests_are_traced_and_the_last_are_sent_at_the_end(
    small: SmallForest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (url, taken):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        with quick_server(tmp_path, small) as server:
            assert ask(server, small.known[0]).status_code == 200
        sent = b"".join(taken)
    assert b"POST /predict" in sent
    assert b"/health/" not in sent


@pytest.mark.skipif(has_extra(), reason="the extra otel is installed")
def test_traces_without_the_extra_are_refused(small: SmallForest) -> None:
    with pytest.raises(InputError, match=r"acorn-nas\[otel\]"):
        create_app(Settings(forests=small.folder, database_url="sqlite://", otel=True))


def test_nothing_is_imported_that_nobody_asked_for() -> None:
    script = (
        "import sys; from service.http.app import create_app; "
        "from service.settings import Settings; "
        "create_app(Settings(database_url='sqlite://')); "
        "names = ('torch', 'opentelemetry.sdk', 'opentelemetry.exporter', 'limits', 'ray'); "
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "[]"
