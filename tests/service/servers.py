"""Real server processes for tests, and what can be seen of them from outside."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("ACORN_TEST_PATIENCE", "60"))  # more where much else runs


@dataclass
class Server:
    """A running server process and where it listens."""

    process: subprocess.Popen[bytes]
    url: str
    folder: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> list[int]:
        """Process ids of all children that compute, which leaves helpers of Python's aside."""
        return [pid for pid in children(self.pid) if "spawn_main" in command_line(pid)]

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def until_live(self) -> None:
        until(lambda: self.says("live"), lambda: f"not live: {self.log}")

    def until_ready(self) -> None:
        until(lambda: self.says("ready"), lambda: f"not ready: {self.log}")

    def says(self, state: str) -> bool:
        assert self.process.poll() is None, self.log
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health/{state}").status_code == 200
        return False


def until(
    condition: Callable[[], bool], complaint: Callable[[], str] = lambda: "it did not happen"
) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
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
