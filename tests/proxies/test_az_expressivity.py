import pytest
import torch
from torch import nn

from models.proxies import run
from models.proxies.passes.blocks import feature_blocks
from tests.proxies.small import batch, cell_network


def entropies(seed: int = 0) -> list[float]:
    """Of each block's output on the noise that the pass draws, by singular values."""
    network = cell_network()
    found: list[float] = []

    def look(_module: nn.Module, _inputs: object, out: torch.Tensor) -> None:
        rows = out.detach().permute(0, 2, 3, 1).reshape(-1, out.shape[1]).double()
        variance = torch.linalg.svdvals(rows - rows.mean(0)) ** 2
        share = variance / variance.sum()
        found.append(-float((share * (share + 1e-8).log()).sum()))

    handles = [block.register_forward_hook(look) for block in feature_blocks(network)]
    images, _ = batch()
    torch.manual_seed(seed)
    network(torch.randn_like(images.contiguous(memory_format=torch.channels_last)))
    for handle in handles:
        handle.remove()
    return found


def test_sum_of_the_blocks_entropies() -> None:
    expected = entropies(seed=2)
    assert len(expected) == 6  # stem, three cells and two reductions
    result = run(cell_network(), *batch(), num_classes=4, proxies="az_expressivity", seed=2)
    assert result.values["az_expressivity"] == pytest.approx(sum(expected), rel=1e-5)


class Own(nn.Sequential):
    """A block with a name of its own."""


@pytest.mark.parametrize(
    ("network", "blocks"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1)), 2),
        (nn.Sequential(Own(nn.Conv2d(3, 4, 1)), Own(nn.Conv2d(4, 4, 1)), nn.Linear(4, 4)), 2),
        (nn.Sequential(nn.Sequential(Own(nn.Conv2d(3, 4, 1)), Own(nn.Conv2d(4, 4, 1)))), 2),
        (Own(Own(Own(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)))), 2),
        (nn.ModuleList([nn.ModuleList([nn.Conv2d(3, 4, 1)]), nn.Conv2d(3, 4, 1)]), 2),
        (nn.Conv2d(3, 4, 1), 1),
        (nn.Linear(3, 4), 0),
    ],
)
def test_blocks_of_a_network(network: nn.Module, blocks: int) -> None:
    assert len(feature_blocks(network)) == blocks


def test_a_network_without_two_blocks_has_no_score() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten())
    result = run(network, *batch(), num_classes=4, proxies=["az_expressivity", "nwot_noise"])
    assert "fewer than two blocks" in result.reasons["az_expressivity"]
