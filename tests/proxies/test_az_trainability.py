import pytest
import torch
from torch import Tensor, nn

from acorn.proxies import run
from acorn.proxies._engine.passes.random_images import _correlated, _folded_to
from tests.proxies.small import batch, cell_network


def test_gain_of_a_linear_block_is_that_of_its_weight() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(5, 5, 1, bias=False)
    before = torch.randn(64, 5, 16, 16, requires_grad=True)
    unchanged, squares = _correlated(before, layer(before))
    assert not unchanged
    gain = torch.linalg.eigvalsh(squares)[-1].sqrt()
    assert float(gain) == pytest.approx(
        float(torch.linalg.matrix_norm(layer.weight[..., 0, 0].detach(), ord=2)), rel=0.05
    )


def test_strides_are_folded_into_channels() -> None:
    gradient = torch.arange(2 * 3 * 4 * 6.0).reshape(2, 3, 4, 6)
    model = torch.zeros(2, 1, 2, 3)
    assert torch.equal(_folded_to(gradient, model), nn.PixelUnshuffle(2)(gradient))
    odd = _folded_to(torch.ones(1, 2, 5, 7), torch.zeros(1, 1, 3, 4))
    assert odd.shape == (1, 8, 3, 4)
    assert odd.sum() == 2 * 5 * 7


def test_mean_over_blocks() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 3, 1, bias=False) for _ in range(3)]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images, labels = torch.randn(128, 3, 8, 8), torch.zeros(128, dtype=torch.int64)
    got = run(network, images, labels, num_classes=3, proxies="az_trainability")
    norms = [
        torch.linalg.matrix_norm(layer.weight[..., 0, 0].detach(), ord=2) for layer in layers[1:]
    ]
    expected = sum(float(2 - s - 1 / s) for s in norms) / 2
    assert got.values["az_trainability"] == pytest.approx(expected, rel=0.1)


def test_at_most_zero() -> None:
    values = run(cell_network(), *batch(), num_classes=4, proxies="az_trainability").values
    assert (values["az_trainability"] or 0) < 0


class Same(nn.Module):
    """A block whose convolution adds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0 * self.conv(x)


class Cut(Same):
    """A block that hands on nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(self.conv(x))


@pytest.mark.parametrize("block", [Same, Cut])
def test_identities_and_cuts(block: type[nn.Module]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), block(), nn.Flatten(), nn.LazyLinear(4))
    network(torch.zeros(1, 3, 8, 8))
    result = run(network, *batch(), num_classes=4, proxies="az_trainability")
    if block is Same:
        assert "not finite (-inf)" in result.reasons["az_trainability"]
    else:
        assert result.values["az_trainability"] == pytest.approx(2 - 1e6)
