import statistics

import pytest
import torch
from torch import Tensor, nn

from acorn.proxies import run
from acorn.proxies._math.channel_correlation import correlation_of_channels
from acorn.proxies._network.redraw import redrawn
from tests.proxies.small import batch, cell_network, measured
from tests.proxies.test_meco import headed


def value(network: nn.Module, seed: int = 0, num_classes: int = 4) -> float | None:
    result = run(network, *batch(), num_classes=num_classes, proxies="meco_opt", seed=seed)
    return result.values["meco_opt"]


def drawn_rows(layer: nn.Conv2d) -> list[Tensor]:
    """The layer's output ``(channels, pixels)`` in each draw of seed 0."""
    with measured(headed(layer), batch()[0], layer.out_channels) as replica:
        same = replica.module.get_submodule("0")
        torch.manual_seed(0)
        outputs = [same(torch.randn(1, 3, 64, 64))]
        torch.manual_seed(0)
        for _ in range(2):
            with redrawn(replica):
                outputs.append(same(torch.randn(1, 3, 64, 64)))
    return [output[0].detach().flatten(1) for output in outputs]


def smallest(rows: Tensor) -> float:
    return float(torch.linalg.eigvalsh(correlation_of_channels(rows))[0])


@pytest.mark.parametrize("channels", [4, 8])
def test_up_to_eight_channels_each_draw_is_meco(channels: int) -> None:
    layer = nn.Conv2d(3, channels, 3)
    terms = [smallest(rows) for rows in drawn_rows(layer)]
    assert len({*terms}) == 3
    names = ["meco", "meco_opt"]
    result = run(headed(layer), *batch(), num_classes=channels, proxies=names)
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
    values = [value(headed(layer), num_classes=9) for _ in range(2)]
    assert values[0] == values[1]
    least, most = (statistics.fmean(ends) for ends in zip(*ranges, strict=True))
    assert values[0] is not None
    assert 9 / 8 * least <= values[0] <= 9 / 8 * most


def test_wide_layers_are_drawn_from_directly() -> None:
    torch.manual_seed(0)
    got = value(headed(nn.Conv2d(3, 300, 1)), num_classes=300)
    assert got is not None
    assert got != 0


def test_draws_follow_the_seed() -> None:
    assert value(cell_network(), seed=1) != value(cell_network(), seed=2)
