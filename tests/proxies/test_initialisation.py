"""One initialisation for the networks of all libraries."""

import pytest
import torch
from torch import Tensor, nn

from acorn.errors import InputError
from acorn.proxies import compute_proxies
from tests.proxies.test_state import assert_unchanged, fingerprint
from tests.proxies.zoo import Base


class Scaled(Base):
    """A residual block with a layer scale and a gate, a token, and a head."""

    def __init__(self, *, begin_at_zero: bool) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(4)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), norm)
        self.scale = nn.Parameter(torch.full((4,), 1e-6 if begin_at_zero else 1.0))
        self.gate = nn.Parameter(torch.zeros(()) if begin_at_zero else torch.ones(()))
        self.token = nn.Parameter(torch.full((4, 1, 1), 0.3))
        if begin_at_zero:
            nn.init.zeros_(norm.weight)
            nn.init.zeros_(self.fc.weight)
            nn.init.normal_(self.get_parameter("body.0.weight"))

    def features(self, x: Tensor) -> Tensor:
        x = self.body(x) + self.token
        return x + self.gate * (self.block(x) * self.scale.reshape(1, -1, 1, 1))


def values(begin_at_zero: bool, initialisation: str, seed: int = 0) -> dict[str, float | None]:
    torch.manual_seed(begin_at_zero)
    network = Scaled(begin_at_zero=begin_at_zero)
    before = fingerprint(network)
    result = compute_proxies(network, (3, 8, 8), 4, initialisation=initialisation, seed=seed)
    assert_unchanged(network, before)
    return result.values


def test_how_a_network_begins_makes_no_difference() -> None:
    one, other = (values(zero, "canonical") for zero in (True, False))
    assert one == other
    assert None not in one.values()


def test_as_given_it_does() -> None:
    one, other = (values(zero, "as_given") for zero in (True, False))
    assert one["synflow"] is None  # nothing flows through a head of zeros
    assert other["synflow"] is not None
    assert one["l2_norm"] != other["l2_norm"]
    assert one["params"] == other["params"]


def test_weights_are_drawn_from_the_seed() -> None:
    assert values(True, "canonical", seed=1) == values(False, "canonical", seed=1)
    assert values(True, "canonical", seed=1)["snip"] != values(True, "canonical", seed=2)["snip"]


def test_it_does_not_depend_on_what_else_is_asked() -> None:
    network = Scaled(begin_at_zero=True)
    alone, together = (
        compute_proxies(network, (3, 8, 8), 4, proxies=names, initialisation="canonical").values
        for names in (["snip"], "all")
    )
    assert alone["snip"] == pytest.approx(together["snip"], rel=1e-5)


def test_another_name() -> None:
    with pytest.raises(InputError, match="got initialisation 'best'; expected as_given or canon"):
        compute_proxies(Base(), (3, 8, 8), 4, initialisation="best")
