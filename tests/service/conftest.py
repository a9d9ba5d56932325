"""A small real bundle for all tests of the service."""

import pytest
from small_forest import SmallForest, make


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallForest:
    """A folder with one bundle, and cells that it knows or does not know."""
    return make(tmp_path_factory.mktemp("small") / "forests")
