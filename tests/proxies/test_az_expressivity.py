import pytest
import torch
from torch import nn

from acorn.proxies import run
from acorn.proxies._network.blocks import feature_blocks
from tests.proxies.small import batch, cell_network, measured


def entropies(seed: int = 0) -> list[float]:
    """Of each block's output on the noise that the pass draws, by singular values."""
    network = cell_network()
    found: list[float] = []

    def look(_module: nn.Module, _inputs: object, out: torch.Tensor) -> None:
        rows = out.detach().permute(0, 2, 3, 1).reshape(-1, out.shape[1]).double()
        variance = torch.linalg.svdvals(rows - rows.mean(0)) ** 2
        share = variance / variance.sum()
        found.append(-float((share * (share + 1e-8).log()).sum()))

    images, _ = batch()
    with measured(network, images) as replica:
        for block in feature_blocks(replica):
            assert isinstance(block, nn.Module)
            block.register_forward_hook(look)
        torch.manual_seed(seed)
        replica(torch.randn_like(images.contiguous(memory_format=torch.channels_last)))
    return found


def test_sum_of_the_blocks_entropies() -> None:
    expected = entropies(seed=2)
    assert len(expected) == 6  # stem, three cells and two reductions
    result = run(cell_network(), *batch(), num_classes=4, proxies="az_expressivity", seed=2)
    assert result.values["az_expressivity"] == pytest.approx(sum(expected), rel=1e-5)


class Own(nn.Sequential):
    """A block with a name of its own."""


class Called(nn.Module):
    """Convolutions by a function, and one that does not run."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Conv2d(3, 3, 1)
        self.weights = nn.ParameterList([torch.randn(3, 3, 1, 1) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for weight in self.weights:
            x = nn.functional.conv2d(x, weight)
        return x


@pytest.mark.parametrize(
    ("body", "blocks"),
    [
        ([nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1)], 2),
        ([Own(nn.Conv2d(3, 4, 1)), Own(nn.Conv2d(4, 4, 1)), nn.ReLU()], 2),
        ([nn.Sequential(Own(nn.Conv2d(3, 4, 1)), Own(nn.Conv2d(4, 4, 1)))], 2),
        ([Own(Own(Own(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))))], 2),
        ([nn.Conv2d(3, 4, 1)], 1),
        ([Called()], 2),
        ([], 0),
    ],
)
def test_blocks_of_a_network(body: list[nn.Module], blocks: int) -> None:
    network = nn.Sequential(*body, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.LazyLinear(4))
    images, _ = batch()
    network(images)
    with measured(network, images) as replica:
        assert len(feature_blocks(replica)) == blocks


def test_a_network_without_two_blocks_has_no_score() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten())
    result = run(network, *batch(), num_classes=4, proxies=["az_expressivity", "nwot_noise"])
    assert "fewer than two blocks" in result.reasons["az_expressivity"]
