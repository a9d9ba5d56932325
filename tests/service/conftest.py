"""A small real bundle and a real PostgreSQL for all tests of the service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.postgres import Postgres, running
from tests.service.small_forest import SmallForest, make


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallForest:
    """A folder with one bundle, and cells that it knows or does not know."""
    return make(tmp_path_factory.mktemp("small") / "forests")


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
