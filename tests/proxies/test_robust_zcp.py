import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.proxies import run
from tests.proxies.small import batch, cell_network


def test_log_of_exponent_times_curvature() -> None:
    images, labels = batch()
    network = cell_network()
    first, targets = images[:3].clone().requires_grad_(True), labels[:3]
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    logits = network(first)
    exponent = sum(
        float((g / 3).square().sum())
        for g in torch.autograd.grad(
            logits.sum(), weights, retain_graph=True, materialize_grads=True
        )
    ) / len(weights)
    (before,) = torch.autograd.grad(
        functional.cross_entropy(logits, targets, reduction="sum"), first
    )
    sign = before.sign().flatten(1)
    moved = first + 1.5 * (sign / sign.norm(dim=1, keepdim=True)).reshape(first.shape)
    loss = functional.cross_entropy(network(moved), targets, reduction="sum")
    (after,) = torch.autograd.grad(loss, moved)
    curvature = ((after - before) / 1.5).flatten(1).norm(dim=1).mean()
    result = run(cell_network(), images, labels, num_classes=4, proxies="robust_zcp")
    assert result.values["robust_zcp"] == pytest.approx(
        -(exponent + math.log(float(curvature))), rel=1e-3
    )


def test_a_loss_that_images_do_not_move_has_no_curvature() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(torch.ones_like(x)).mean([2, 3])

    result = run(Constant(), *batch(), num_classes=4, proxies="robust_zcp")
    assert result.values["robust_zcp"] is None
    assert "not finite" in result.reasons["robust_zcp"]
