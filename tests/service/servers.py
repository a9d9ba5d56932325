"""Real server processes for tests, and what can be seen of them from outside."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("ACORN_TEST_PATIENCE", "60"))  # more where much else runs


class Requests:
    """Something that answers HTTP requests, and the folder of its files."""

    def __init__(
        self, url: str, folder: Path, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url
        self.folder = folder
        self.transport = transport

    def client(self, **options: Any) -> httpx.Client:
        options = {"timeout": PATIENCE, "trust_env": False, **options}
        return httpx.Client(base_url=self.url, transport=self.transport, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self.client() as client:
            return client.request(method, path, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def until_live(self) -> None:
        until(lambda: self.says("live"), lambda: f"not live: {self.log}")

    def until_ready(self) -> None:
        until(lambda: self.says("ready"), lambda: f"not ready: {self.log}")

    def says(self, state: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.get(f"/health/{state}").status_code == 200
        return False


class Server(Requests):
    """A running server process and where it listens."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
        super().__init__(url, folder)
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> list[int]:
        """Process ids of all children that compute, without Python's own helper processes."""
        return [pid for pid in children(self.pid) if "spawn_main" in command_line(pid)]

    def says(self, state: str) -> bool:
        assert self.process.poll() is None, self.log
        return super().says(state)


def until(
    condition: Callable[[], bool], complaint: Callable[[], str] = lambda: "it did not happen"
) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children() if alive(child.pid)]
    return []


def command_line(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(psutil.Process(pid).cmdline())
    return ""


def alive(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(
    folder: Path,
    forests: Path,
    *options: str,
    program: tuple[str, ...] = ("-m", "training.commands", "serve"),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run a server until the end of the block; then it and its workers must be gone."""
    port = free_port()
    with (folder / "server.log").open("ab") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, *program, "--port", str(port)),
                *("--forests", str(forests), "--var", str(folder / "var"), *options),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "ACORN_DRAIN_SECONDS": "0",
                **(environment or {}),
            },
            stdout=output,
            stderr=output,
        )
    server = Server(process, f"http://127.0.0.1:{port}", folder)
    try:
        yield server
    finally:
        workers = server.workers()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        until(lambda: not any(map(alive, workers)), lambda: "workers outlive their server")
