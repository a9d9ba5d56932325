"""The same network has the same values, in whatever way it is written."""

from functools import cache

import pytest
import torch
from torch import nn

from acorn.proxies import ProxyValues, compute_proxies
from tests.proxies.pairs import DIFFERENCES, PAIRS, Build
from tests.proxies.zoo import Base

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*None of the inputs have requires_grad:UserWarning"),
]

TOLERANCE = 1e-4


def same_weights(one: nn.Module, other: nn.Module) -> None:
    """Give the second network the first one's parameters: those of one name, or else in order."""
    given = dict(one.named_parameters())
    wanted = dict(other.named_parameters())
    if isinstance(other, Base) and hasattr(other.body[3], "weight_u"):
        return  # drawn alike, and normalised by vectors that were
    if not given.keys() >= wanted.keys() and len(given) == len(wanted):
        given = dict(zip(wanted, given.values(), strict=True))
    with torch.no_grad():
        for name, parameter in wanted.items():
            if name in given:
                parameter.copy_(given[name])


def values_of(build: Build, like: nn.Module | None = None) -> tuple[nn.Module, ProxyValues]:
    torch.manual_seed(0)
    network = build()
    if like is not None:
        same_weights(like, network)
    return network, compute_proxies(network, (3, 8, 8), 4)


values_of_first = cache(values_of)
"""Several pairs begin with one network."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (place % 8 > 0))
        for place, name in enumerate(PAIRS)
    ],
)
def test_two_ways_of_writing_one_network(name: str) -> None:
    first, second = PAIRS[name]
    network, one = values_of_first(first)
    _, other = values_of(second, network)
    differences = DIFFERENCES.get(name, {})
    for proxy, value in one.values.items():
        if proxy in differences:
            assert value != other.values[proxy]
        elif value is None:
            assert other.values[proxy] is None, proxy
        else:
            assert other.values[proxy] == pytest.approx(value, rel=TOLERANCE), (
                proxy, other.reasons.get(proxy),
            )  # fmt: skip


def test_there_are_enough_pairs() -> None:
    assert len(PAIRS) >= 40
