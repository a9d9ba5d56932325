import pytest
import torch
from torch.nn import functional

from acorn.proxies import run
from tests.proxies.small import batch, cell_network


def test_log_sum_of_inverse_variation_over_halves() -> None:
    images, labels = batch()
    network = cell_network()
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    gradients = []
    for part in (slice(0, 3), slice(3, 6)):
        loss = functional.cross_entropy(network(images[part]), labels[part])
        weights = [layer.weight for layer in layers]
        of_weights = torch.autograd.grad(loss, weights, materialize_grads=True)
        gradients.append([gradient.double() for gradient in of_weights])
    expected = 0.0
    for pair in zip(*gradients, strict=True):
        both = torch.stack(pair)
        mean, std = both.abs().mean(0), both.std(0, correction=0)
        total = float((mean[std > 0] / std[std > 0]).sum())
        expected += torch.tensor(total).log().item() if total > 0 else 0
    got = run(cell_network(), images, labels, num_classes=4, proxies="zico").values["zico"]
    assert got == pytest.approx(expected, rel=1e-3)


def test_equal_halves_leave_nothing() -> None:
    images, labels = batch(3)
    twice = torch.cat([images, images])
    got = run(cell_network(), twice, labels.repeat(2), num_classes=4, proxies="zico")
    assert got.values["zico"] == 0


def test_one_image_has_no_halves() -> None:
    result = run(cell_network(), *batch(1), num_classes=4, proxies="zico")
    assert result.reasons["zico"] == "halves pass: ValueError: a batch of one image has no halves"
