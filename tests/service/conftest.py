"""A real PostgreSQL for all tests of the service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.postgres import Postgres, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL server; tests that need it skip where none is installed."""
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database of each kind; SQLite's is in a folder that is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'acorn.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()
