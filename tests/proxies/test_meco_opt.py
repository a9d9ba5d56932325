import pytest
import torch
from torch import nn

from models.proxies import run
from models.proxies.meco import correlation_matrix
from tests.proxies.small import batch, cell_network


def value(network: nn.Module, seed: int = 0) -> float | None:
    return run(network, *batch(), num_classes=4, proxies="meco_opt", seed=seed).values["meco_opt"]


@pytest.mark.parametrize("channels", [4, 8])
def test_up_to_eight_channels_it_is_meco(channels: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, channels, 3)
    assert value(layer) == pytest.approx(
        run(layer, *batch(), num_classes=4, proxies="meco").values["meco"]
    )


def test_is_the_mean_over_subsets_of_eight() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 9, 3)  # nine subsets: enough seeds meet each of them
    torch.manual_seed(0)
    rows = layer(torch.randn(1, 3, 64, 64))[0].detach().flatten(1)
    smallest = [
        float(torch.linalg.eigvalsh(correlation_matrix(rows[[j for j in range(9) if j != i]]))[0])
        for i in range(9)
    ]
    values = [value(layer) for _ in range(2)]
    assert values[0] == values[1]
    assert 9 / 8 * min(smallest) <= values[0] <= 9 / 8 * max(smallest)


def test_wide_layers_are_drawn_from_directly() -> None:
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Conv2d(3, 300, 1), nn.Flatten(), nn.Linear(300 * 64 * 64, 1))
    got = value(wide)
    assert got is not None


def test_draws_follow_the_seed() -> None:
    assert value(cell_network(), seed=1) != value(cell_network(), seed=2)
