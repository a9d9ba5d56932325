"""Each classic proxy against its definition, written out the slow way."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from acorn.proxies import run
from acorn.proxies._engine.records import Records
from acorn.proxies.epe_nas import epe_nas
from tests.proxies.small import batch, cell_network, layer_weights


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return cell_network()


@pytest.fixture(scope="module")
def values(network: nn.Module) -> dict[str, float]:
    images, labels = batch()
    result = run(network, images, labels, num_classes=4)
    assert result.reasons == {}
    return {name: value for name, value in result.values.items() if value is not None}


@pytest.fixture(scope="module")
def gradients(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Pairs of weight and loss gradient, in training mode."""
    images, labels = batch()
    weights = layer_weights(network)
    loss = functional.cross_entropy(network.train()(images), labels)
    return [*zip(weights, torch.autograd.grad(loss, weights, materialize_grads=True), strict=True)]


def test_first_order_scores(
    values: dict[str, float], gradients: list[tuple[Tensor, Tensor]]
) -> None:
    expected = {
        "grad_norm": sum(g.norm().item() for _, g in gradients),
        "snip": sum((w * g).abs().sum().item() for w, g in gradients),
        "plain": sum((w * g).sum().item() for w, g in gradients),
        "l2_norm": sum(w.norm().item() for w, _ in gradients),
    }
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name


def test_grasp_is_the_curvature_along_gradient_and_weights(
    network: nn.Module, values: dict[str, float]
) -> None:
    """Central difference of the gradient, in double precision, along the gradient."""
    images, labels = batch()
    copy = cell_network().double().train()
    weights = layer_weights(copy)

    def gradient() -> list[Tensor]:
        loss = functional.cross_entropy(copy(images.double()), labels)
        return [*torch.autograd.grad(loss, weights, materialize_grads=True)]

    direction = gradient()
    step = 1e-6  # small, so that no rectifier switches between the two sides
    sides = []
    for sign in (1, -2):
        with torch.no_grad():
            for weight, d in zip(weights, direction, strict=True):
                weight += sign * step * d
        sides.append(gradient())
    product = [(a - b) / (2 * step) for a, b in zip(*sides, strict=True)]
    original = layer_weights(network)
    expected = -sum((w * h).sum().item() for w, h in zip(original, product, strict=True))
    assert values["grasp"] == pytest.approx(expected, rel=1e-4)


def test_fisher(network: nn.Module, values: dict[str, float]) -> None:
    images, labels = batch()
    outputs: list[tuple[Any, Tensor]] = []
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [
        layer.register_forward_hook(lambda m, _i, out: outputs.append((m, out))) for layer in layers
    ]
    loss = functional.cross_entropy(network.train()(images), labels)
    for handle in handles:
        handle.remove()
    grads = torch.autograd.grad(loss, [out for _, out in outputs], materialize_grads=True)
    expected = 0.0
    for (layer, out), grad in zip(outputs, grads, strict=True):
        saliency = (out * grad).reshape(*out.shape[:2], -1).sum(2)
        expected += (saliency**2).mean(0).sum().item() / 2 * layer.weight[0].numel()
    assert values["fisher"] == pytest.approx(expected, rel=1e-3)


def test_jacobian_scores(network: nn.Module, values: dict[str, float]) -> None:
    images, labels = batch()
    images.requires_grad_(True)
    (gradient,) = torch.autograd.grad(network.train()(images).sum(), images)
    rows = gradient.flatten(1).double().numpy()
    assert values["jacob_fro"] == pytest.approx(np.linalg.norm(rows), rel=1e-3)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(rows)) + 1e-5
    jacov = -np.sum(np.log(eigenvalues) + 1 / eigenvalues)
    assert values["jacov"] == pytest.approx(jacov, rel=1e-2)
    epe = 0.0
    for label in range(4):
        part = np.atleast_2d(np.corrcoef(rows[labels.numpy() == label]))
        epe += abs(np.log(np.abs(part) + 1e-5).sum())
    assert values["epe_nas"] == pytest.approx(epe, rel=1e-2)


def test_nwot(network: nn.Module, values: dict[str, float]) -> None:
    images, _ = batch()
    codes: list[np.ndarray] = []
    handles = [
        m.register_forward_hook(lambda _m, _i, out: codes.append((out > 0).flatten(1).numpy()))
        for m in network.modules()
        if isinstance(m, nn.ReLU)
    ]
    with torch.no_grad():
        network.train()(images)
    for handle in handles:
        handle.remove()
    all_codes = np.concatenate(codes, axis=1)
    kernel = [[np.sum(a == b) for b in all_codes] for a in all_codes]
    assert values["nwot"] == pytest.approx(np.linalg.slogdet(np.array(kernel))[1], rel=1e-9)


def test_synflow(values: dict[str, float]) -> None:
    copy = cell_network().double()
    for module in [*copy.modules()]:
        for child, grandchild in module.named_children():
            if isinstance(grandchild, nn.BatchNorm2d):
                module._modules[child] = nn.Identity()
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.abs_()
    weights = layer_weights(copy)
    flow = copy(torch.ones(1, 3, 8, 8, dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(flow, weights, materialize_grads=True)
    total = sum((w * g).sum().item() for w, g in zip(weights, gradients, strict=True))
    assert values["synflow"] == pytest.approx(math.log(total), rel=1e-7)


def test_zen_does_not_depend_on_the_weights(values: dict[str, float]) -> None:
    """Zen draws its own Gaussian weights: another initialisation, the same score."""
    images, labels = batch()
    other = run(cell_network(seed=7), images, labels, num_classes=4, proxies=["zen", "snip"])
    assert other.values["zen"] == values["zen"]
    assert other.values["snip"] != values["snip"]


def test_zen_grows_with_depth() -> None:
    images, labels = batch()

    def plain_network(depth: int) -> nn.Module:
        layers: list[nn.Module] = []
        for index in range(depth):
            layers += [nn.Conv2d(4 if index else 3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))

    scores = [
        run(plain_network(depth), images, labels, num_classes=4, proxies="zen").values["zen"]
        for depth in (2, 4, 6)
    ]
    assert scores == sorted(score for score in scores if score is not None)


def test_many_classes_use_the_other_epe_score() -> None:
    jacobian = torch.randn(6, 192)
    scores = []
    compute: Any = epe_nas
    for num_classes in (4, 100, 101):
        records = Records(torch.tensor([0, 0, 0, 1, 1, 1]), num_classes)
        records.jacobian = jacobian
        scores.append(float(compute(records)))
    assert scores[0] == scores[1]
    assert scores[1] != scores[2]
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 101))
    assert run(network, *batch(), num_classes=101, proxies="epe_nas").values["epe_nas"] is not None
