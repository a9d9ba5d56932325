"""A small real bundle and a real PostgreSQL for all tests of the service."""

from collections.abc import Iterator

import pytest
from postgres import Postgres, running
from small_forest import SmallForest, make


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallForest:
    """A folder with one bundle, and cells that it knows or does not know."""
    return make(tmp_path_factory.mktemp("small") / "forests")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL server; tests that need it skip where none is installed."""
    with running() as server:
        yield server
