"""Each proxy works on every network, or is null with a reason; none takes others with it."""

import math

import pytest
import torch
from torch import nn

from models.proxies import ProxyValues, list_proxies, run
from tests.proxies.odd_networks import odd_networks
from tests.proxies.small import batch
from tests.proxies.test_state import assert_unchanged, fingerprint

NULLS = {
    "attention": {"az_expressivity", "az_progressivity", "az_trainability", "eznas_a_data", "swap"},
    "joined": set(),
    "functional": {"eznas_a_data", "nwot", "nwot_noise", "swap"},
    "tuples": set(),
    "value_reading": {
        "az_complexity", "flops", "local_entropy", "nwot", "nwot_noise", "swap", "eznas_a_data",
        "az_expressivity", "az_progressivity", "az_trainability",
    },
    "linear": {
        "az_expressivity", "az_progressivity", "az_trainability", "eznas_a", "eznas_a_closed",
        "eznas_a_data", "nwot", "nwot_noise", "swap", "zen",
    },
    "one_channel": set(),
    "no_rectifier": {"eznas_a_data", "nwot", "nwot_noise", "swap"},
    "norm_at_one_pixel": set(),
    "upsampling": set(),
    "reflecting": set(),
    "plain_batch_norm": set(),
}  # fmt: skip


@pytest.fixture(scope="module")
def results() -> dict[str, ProxyValues]:
    found = {}
    for name, network in odd_networks().items():
        before = fingerprint(network)
        found[name] = run(network, *batch(), num_classes=4)
        assert_unchanged(network, before)
    return found


@pytest.mark.parametrize("name", NULLS)
def test_value_or_reason(results: dict[str, ProxyValues], name: str) -> None:
    result = results[name]
    assert set(result.values) == set(list_proxies())
    missing = {proxy for proxy, value in result.values.items() if value is None}
    assert missing == set(result.reasons)
    assert all(math.isfinite(v) for v in result.values.values() if v is not None)
    assert all(reason and "\n" not in reason for reason in result.reasons.values())
    assert NULLS[name] <= missing


@pytest.mark.parametrize("size", [(1, 8, 8), (3, 7, 11), (3, 5, 5), (6, 9, 9)])
def test_odd_input_sizes(size: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(size[0], 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
    )  # fmt: skip
    result = run(network, torch.randn(6, *size), torch.arange(6) % 4, num_classes=4)
    allowed = {"eznas_a_data"} if size[1] != size[2] else set()
    assert set(result.reasons) == allowed


def test_two_images_are_enough_and_one_is_not_for_all() -> None:
    network = odd_networks()["joined"]
    two = run(network, *batch(2), num_classes=4)
    assert two.values["zico"] is not None
    one = run(network, *batch(1), num_classes=4)
    assert {"zico", "near", "swap", "robust_zcp"} <= set(one.reasons)
    assert one.values["snip"] is not None
