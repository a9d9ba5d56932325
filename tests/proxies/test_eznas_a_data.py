import pytest
import torch
from torch import Tensor, nn

from acorn.proxies import run
from acorn.proxies._math.layer_programs import program
from tests.proxies.small import batch, cell_network


class Probe(nn.ReLU):
    """A rectifier that keeps its own input."""

    def forward(self, x: Tensor) -> Tensor:
        self.seen = (x * 1).requires_grad_(True)
        return super().forward(self.seen)


def test_program_on_the_gradient_at_each_rectifier_s_own_input() -> None:
    network = cell_network()
    for module in [*network.modules()]:
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, Probe())
    images, labels = batch(12)
    logits = network(images[:6])
    probes = [module.seen for module in network.modules() if isinstance(module, Probe)]
    gradients = torch.autograd.grad(logits.sum(), probes, allow_unused=True)
    expected = torch.stack([program(g[:4]) for g in gradients if g is not None]).mean()
    got = run(cell_network(), images, labels, num_classes=4, proxies="eznas_a_data")
    assert got.values["eznas_a_data"] == pytest.approx(float(expected), rel=1e-2)


def test_an_inplace_rectifier_is_the_same() -> None:
    def network(inplace: bool) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(inplace), nn.Conv2d(4, 4, 3), nn.ReLU(inplace),
            nn.Flatten(), nn.Linear(64, 4),
        )  # fmt: skip

    values = [
        run(network(inplace), *batch(), num_classes=4, proxies="eznas_a_data").values
        for inplace in (True, False)
    ]
    assert values[0] == values[1]


def test_flat_features_do_not_count() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.ReLU(), nn.Linear(4, 4))
    result = run(network, *batch(), num_classes=4, proxies="eznas_a_data")
    assert "no rectifier on a square feature map" in result.reasons["eznas_a_data"]
