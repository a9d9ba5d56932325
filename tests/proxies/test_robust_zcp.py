import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from acorn.proxies import run
from tests.proxies.small import batch, cell_network


def trained_a_little() -> nn.Module:
    """A network whose norms have running statistics of their own."""
    network = cell_network()
    with torch.no_grad():
        network.train()(batch()[0])
    return network


@pytest.mark.parametrize("network", [cell_network, trained_a_little])
def test_log_of_exponent_times_curvature(network: Callable[[], nn.Module]) -> None:
    images, labels = batch()
    model = network().eval()
    first, targets = images[:3].clone().requires_grad_(True), labels[:3]
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    losses = functional.cross_entropy(model(first), targets, reduction="none")
    each = [
        torch.autograd.grad(loss, weights, retain_graph=True, materialize_grads=True)
        for loss in losses
    ]
    products = [
        float((one[m].double() * other[m].double()).sum())
        for m in range(len(weights))
        for one in each
        for other in each
    ]
    exponent = 5e6 * sum(products) / (len(weights) * 3**2)
    (before,) = torch.autograd.grad(losses.sum(), first)
    sign = before.sign().flatten(1)
    moved = first + 50 * (sign / sign.norm(dim=1, keepdim=True)).reshape(first.shape)
    loss = functional.cross_entropy(model(moved), targets, reduction="sum")
    (after,) = torch.autograd.grad(loss, moved)
    curvature = ((after - before) / 50).flatten(1).norm(dim=1).mean()
    result = run(network(), images, labels, num_classes=4, proxies="robust_zcp")
    assert result.values["robust_zcp"] == pytest.approx(
        -(exponent + 2 * math.log(float(curvature))), rel=1e-3
    )


def test_one_image_is_enough() -> None:
    result = run(cell_network(), *batch(1), num_classes=4, proxies="robust_zcp")
    assert result.values["robust_zcp"] is not None


def test_a_loss_that_images_do_not_move_has_no_curvature() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(torch.ones_like(x)).mean([2, 3])

    result = run(Constant(), *batch(), num_classes=4, proxies="robust_zcp")
    assert result.values["robust_zcp"] is None
    assert "does not change over the step" in result.reasons["robust_zcp"]
