"""A real PostgreSQL server for tests, from the system's own package."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.service.servers import free_port, until

USER = "acorn"
NOBODY = 65_534


@dataclass(frozen=True)
class Postgres:
    """A running server; each test takes a schema of its own, which is made in no time."""

    port: int

    def new_database(self) -> str:
        """Make room for tables of one's own; returns its SQLAlchemy URL."""
        name = f"test_{uuid.uuid4().hex}"
        with self.connect() as connection:
            connection.execute(f"create schema {name}".encode())
        place = f"{USER}@127.0.0.1:{self.port}/postgres?options=-csearch_path%3D{name}"
        return f"postgresql+psycopg://{place}"

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname="postgres", autocommit=True
        )

    def answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.connect().close()
            return True
        return False


def binaries() -> Path | None:
    """Folder of the newest server that is installed."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return debian[-1].parent if debian else None


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """Run a server on a free port; nothing of it stays."""
    programs = binaries()
    if programs is None:
        pytest.skip("needs a PostgreSQL server (Debian's package postgresql)")
    # It refuses to run as root, and pytest's own folders are for their owner alone.
    as_root = os.geteuid() == 0
    user = NOBODY if as_root else None
    with tempfile.TemporaryDirectory(prefix="acorn-postgres-") as name:
        folder = Path(name)
        if as_root:
            os.chown(folder, NOBODY, NOBODY)
        data = folder / "data"
        environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
        subprocess.run(
            [
                programs / "initdb",
                "-D",
                data,
                "-U",
                USER,
                "--auth=trust",
                "--no-sync",
                "-E",
                "UTF8",
            ],
            check=True,
            capture_output=True,
            user=user,
            group=user,
            extra_groups=[] if as_root else None,
            env=environment,
            cwd=folder,
        )
        port = free_port()
        process = subprocess.Popen(
            [
                *(programs / "postgres", "-D", data, "-p", str(port), "-k", folder),
                *("-h", "127.0.0.1", "-F", "-c", "max_connections=50"),
            ],
            user=user,
            group=user,
            extra_groups=[] if as_root else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
        )
        server = Postgres(port)
        try:
            until(server.answers, lambda: "PostgreSQL does not answer")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # does not wait for clients
            process.wait(30)
