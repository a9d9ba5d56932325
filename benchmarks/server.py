"""A server process for a benchmark, on a free port with a temporary folder."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class Running:
    """Port and process of a running server."""

    port: int
    pid: int

    def processor_seconds(self) -> float:
        """Processor seconds of the process so far, without its workers."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(module: str, *options: str, ready: str = "ready") -> Iterator["Running"]:
    """Run ``python -m module`` on a free port with a temporary folder.

    With ``ready="ready"`` it waits for the workers, with ``"live"`` for the forests.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACORN_DRAIN_SECONDS": "0"}
        command = [sys.executable, "-m", *module.split(), "--port", str(port), "--var", folder]
        log = Path(folder) / "server.log"  # written to, as a server's log is
        with log.open("wb") as output:
            process = subprocess.Popen([*command, *options], env=environment, stderr=output)
        try:
            _wait(process, f"http://127.0.0.1:{port}/health/{ready}", log)
            yield Running(port, process.pid)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(url)  # noqa: S310 (its own server)
            return
        time.sleep(0.1)
    raise RuntimeError(f"the server is not there at {url}: {log.read_text()[-2000:]}")
