"""Real servers that start in about a second: their workers import no torch."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.service.servers import Requests, Server, serving
from tests.service.small_forest import SmallForest

PROGRAM = ("-m", "tests.service.serve_faulty")


@contextmanager
def quick_server(
    folder: Path,
    small: SmallForest,
    *,
    faults: Mapping[str, str] | None = None,
    default: str = "",
    forests: Path | None = None,
    **settings: object,
) -> Iterator[Server]:
    """Serve with settings, commands for cells, and one for all others (``serve_faulty.py``)."""
    folder.mkdir(exist_ok=True, parents=True)
    commands = {small.canonical(cell): command for cell, command in (faults or {}).items()}
    environment = {f"ACORN_{name.upper()}": str(value) for name, value in settings.items()}
    with serving(
        folder,
        forests or small.folder,
        program=PROGRAM,
        environment={"FAULTS": json.dumps({"*": default, **commands}), **environment},
    ) as server:
        server.until_ready()
        yield server


def ask(
    server: Requests, *cells: str, headers: Mapping[str, str] | None = None, **fields: object
) -> httpx.Response:
    """Ask for predictions."""
    body = {"architectures": [{"space": "nats_tss", "arch": cell} for cell in cells], **fields}
    return server.post("/predict", json=body, headers=headers)
