"""Real servers for the client, and the client of either kind."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from acorn.client import Client
from service.http.middleware.keys import hash_line, new_key
from tests.client.awaited import Awaited
from tests.service.quick_servers import quick_server
from tests.service.servers import Server
from tests.service.small_forest import SmallForest

KEY = new_key()
MOST = 16
Kind = Callable[..., Any]


@pytest.fixture(params=[Client, Awaited], ids=["waiting", "awaited"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Either kind of client, with the same methods."""
    made: Kind = request.param
    return made


@pytest.fixture(scope="session")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for a key, takes short lists, and cannot compute one of the cells."""
    with quick_server(
        tmp_path_factory.mktemp("client"),
        small,
        faults={small.unknown[0]: "raise it is broken"},
        default="sleep 0.02",
        api_keys=hash_line("client", KEY),
        max_architectures=MOST,
        max_explanations=20,
        max_body_bytes=8_192,
    ) as server:
        yield server


@pytest.fixture
def client(server: Server, kind: Kind) -> Iterator[Any]:
    """A client of either kind that knows the key of the server."""
    with kind(server.url, api_key=KEY) as client:
        yield client
