"""Means over draws, and their standard errors."""

import math
import statistics
from typing import Any

import pytest
import torch
from torch import nn

from acorn.proxies import list_proxies, run
from acorn.proxies._engine.engine import ProxyValues
from acorn.proxies._engine.records import NoiseRecord, Records
from acorn.proxies.zen import zen
from tests.proxies.small import batch, cell_network
from tests.proxies.test_state import assert_unchanged, fingerprint

AVERAGED = ["croze", "meco_opt", "zen"]


def computed(proxies: list[str] | str = "all", *, seed: int = 0, size: int = 6) -> ProxyValues:
    return run(cell_network(), *batch(size), num_classes=4, proxies=proxies, seed=seed)


@pytest.fixture(scope="module")
def together() -> ProxyValues:
    return computed()


@pytest.mark.parametrize("name", AVERAGED)
def test_the_error_is_the_same_alone_and_together(together: ProxyValues, name: str) -> None:
    alone = computed(name)
    assert alone.values[name] == together.values[name]
    assert alone.errors[name] == together.errors[name]


def test_the_averaged_proxies_have_errors_and_no_others(together: ProxyValues) -> None:
    assert set(together.errors) == set(AVERAGED)
    assert all(error > 0 for error in together.errors.values())


@pytest.mark.slow
def test_the_error_is_that_of_seeds() -> None:
    """Zen's values under many seeds deviate by what one run says that they do."""
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(),
        nn.Linear(64, 4),
    )  # fmt: skip
    results = [
        run(network, *batch(), num_classes=4, proxies="zen", seed=seed) for seed in range(40)
    ]
    values = [result.values["zen"] for result in results]
    spread = statistics.stdev(value for value in values if value is not None)
    assert None not in values
    told = math.sqrt(statistics.fmean(result.errors["zen"] ** 2 for result in results))
    assert told == pytest.approx(spread, rel=0.35)


def test_zen_does_not_hang_on_the_size_of_the_batch() -> None:
    assert computed("zen", size=3).values == computed("zen", size=11).values


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_few_images_are_taken_more_than_once(size: int) -> None:
    result = computed("croze", size=size)
    assert (result.values["croze"] or 0) > 0
    assert result.errors["croze"] > 0


def test_a_draw_without_a_number_has_no_mean_and_no_error() -> None:
    class Failing(nn.Module):
        """Infinite in one forward only: the first after that of one image is number 2."""

        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x * (math.inf if self.calls == 5 else 1)

    network = nn.Sequential(nn.Conv2d(3, 4, 3), Failing(), nn.Flatten(), nn.Linear(144, 4))
    result = run(network, *batch(), num_classes=4, proxies="zen")
    assert result.values["zen"] is None
    assert result.reasons["zen"].endswith("in 1 of 4 draws")
    assert result.errors == {}


def test_a_layer_that_cannot_be_drawn_anew_costs_its_readers_only() -> None:
    class Stubborn(nn.Conv2d):
        built = False

        def reset_parameters(self) -> None:
            if self.built:
                raise RuntimeError("no other weights")
            super().reset_parameters()
            self.built = True

    network = nn.Sequential(
        Stubborn(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4)
    )
    before = fingerprint(network)
    result = run(network, *batch(), num_classes=4)
    assert_unchanged(network, before)
    refused = {name for name, reason in result.reasons.items() if "no other weights" in reason}
    assert refused == {"croze", "croze_ascent", "meco_opt"}
    assert result.values["meco"] is not None
    assert set(result.values) == set(list_proxies())


def test_zen_s_draws_are_scores_of_their_own() -> None:
    records = Records(torch.zeros(1, dtype=torch.int64), 1)
    records.noise = NoiseRecord(torch.tensor([1.0, math.e]), torch.tensor([2.0, 5.0]))
    compute: Any = zen
    assert compute(records).tolist() == pytest.approx([2, 6])
