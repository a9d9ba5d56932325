"""A server of the released forests, whose workers need no torch, for all tests of the page."""

from collections.abc import Iterator

import pytest

from tests.service.quick_servers import PROGRAM
from tests.service.servers import ROOT, Server, serving

RELEASED = ROOT / "models" / "released"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows all released forests; features that it computes are all zero."""
    folder = tmp_path_factory.mktemp("web")
    environment = {"FAULTS": '{"*": ""}'}
    with serving(folder, RELEASED, program=PROGRAM, environment=environment) as running:
        running.until_ready()
        yield running
