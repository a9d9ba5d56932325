import statistics

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.proxies import run
from models.proxies.meco import correlation_matrix
from models.proxies.passes.redraw import redrawn_parameters
from tests.proxies.small import batch, cell_network


def value(network: nn.Module, seed: int = 0) -> float | None:
    return run(network, *batch(), num_classes=4, proxies="meco_opt", seed=seed).values["meco_opt"]


def drawn_rows(layer: nn.Module) -> list[Tensor]:
    """The layer's output ``(channels, pixels)`` in each draw of seed 0."""
    torch.manual_seed(0)
    outputs = [layer(torch.randn(1, 3, 64, 64))]
    torch.manual_seed(0)
    for _ in range(2):
        weights = redrawn_parameters(layer)
        outputs.append(functional_call(layer, weights, (torch.randn(1, 3, 64, 64),)))
    return [output[0].detach().flatten(1) for output in outputs]


def smallest(rows: Tensor) -> float:
    return float(torch.linalg.eigvalsh(correlation_matrix(rows))[0])


@pytest.mark.parametrize("channels", [4, 8])
def test_up_to_eight_channels_each_draw_is_meco(channels: int) -> None:
    layer = nn.Conv2d(3, channels, 3)
    terms = [smallest(rows) for rows in drawn_rows(layer)]
    assert len({*terms}) == 3
    result = run(layer, *batch(), num_classes=4, proxies=["meco", "meco_opt"])
    assert result.values["meco"] == pytest.approx(terms[0])
    assert result.values["meco_opt"] == pytest.approx(statistics.fmean(terms))
    assert result.errors["meco_opt"] == pytest.approx(statistics.stdev(terms) / 3**0.5)


def test_is_the_mean_over_subsets_of_eight() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 9, 3)
    ranges = []
    for rows in drawn_rows(layer):
        terms = [smallest(rows[[j for j in range(9) if j != i]]) for i in range(9)]
        ranges.append((min(terms), max(terms)))
    values = [value(layer) for _ in range(2)]
    assert values[0] == values[1]
    least, most = (statistics.fmean(ends) for ends in zip(*ranges, strict=True))
    assert 9 / 8 * least <= values[0] <= 9 / 8 * most


def test_wide_layers_are_drawn_from_directly() -> None:
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Conv2d(3, 300, 1), nn.Flatten(), nn.Linear(300 * 64 * 64, 1))
    got = value(wide)
    assert got is not None


def test_draws_follow_the_seed() -> None:
    assert value(cell_network(), seed=1) != value(cell_network(), seed=2)
