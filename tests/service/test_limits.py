"""Limits: all shown, and what is too large refused before a worker hears of it."""

from collections.abc import Iterator

import pytest

from acorn.datasets import get_dataset
from acorn.schemas.prediction import Limits
from acorn.spaces import SPACES, get_space
from service.prediction.feature_path import SizeLimits
from service.settings import Settings
from tests.service.in_process import quick_app
from tests.service.quick_servers import ask
from tests.service.servers import Requests
from tests.service.small_forest import SmallForest


def params(small: SmallForest, cell: str) -> float:
    return get_space("nats_tss").cost(small.canonical(cell), get_dataset("cifar10")).params


@pytest.fixture(scope="module")
def ordered(small: SmallForest) -> list[str]:
    """Unknown cells, from the smallest to the largest."""
    return sorted(small.unknown, key=lambda cell: params(small, cell))


@pytest.fixture(scope="module")
def server(
    small: SmallForest, ordered: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Requests]:
    most = params(small, ordered[len(ordered) // 2])
    folder = tmp_path_factory.mktemp("limits")
    with quick_app(
        folder, small, max_params=most, rate_limit="100000/minute", queue_size=7
    ) as server:
        yield server


def test_what_is_too_large_is_pointed_at(
    server: Requests, small: SmallForest, ordered: list[str]
) -> None:
    low, high = ordered[0], ordered[-1]
    response = ask(server, low, high, small.known[0], high)
    assert response.status_code == 422
    errors = response.json()["errors"]
    assert [item["pointer"] for item in errors] == ["/architectures/1", "/architectures/3"]
    assert "million parameters; expected at most" in errors[0]["detail"]
    assert ask(server, low).status_code == 200


def test_what_is_known_is_answered_whatever_its_size(server: Requests, small: SmallForest) -> None:
    largest = max(small.known, key=lambda cell: params(small, cell))
    smallest = min(small.unknown, key=lambda cell: params(small, cell))
    assert params(small, largest) > params(small, smallest)
    assert ask(server, largest).status_code == 200


def test_all_limits_are_shown(server: Requests) -> None:
    answer = server.get("/spaces").json()
    assert answer["limits"]["queue_size"] == 7
    assert answer["limits"]["rate_limit"] == "100000/minute"
    for name in Settings.model_fields:
        if name.startswith("max_") or name in ("waiting_seconds", "computing_seconds"):
            assert name in answer["limits"], name
    by_name = {space["name"]: space for space in answer["spaces"]}
    assert set(by_name) == set(SPACES)
    assert by_name["nats_tss"]["limits"] is None
    assert {"nodes", "params", "flops", "resolution"} <= by_name["graph"]["limits"].keys()


def test_a_limit_that_is_shown_is_a_setting() -> None:
    assert set(Limits.model_fields) <= set(Settings.model_fields)


def test_flops_are_limited_too(small: SmallForest, ordered: list[str]) -> None:
    cell = ordered[-1]
    architecture = get_space("nats_tss").parse(cell)
    flops = get_space("nats_tss").cost(architecture.canonical, get_dataset("cifar10")).flops
    many = {architecture.id: (architecture, get_dataset("cifar10"))}
    assert SizeLimits(params=1e9, flops=flops).refuse(many) == {}
    refused = SizeLimits(params=1e9, flops=flops * 0.99).refuse(many)
    assert "multiply-accumulates" in str(refused[architecture.id])
