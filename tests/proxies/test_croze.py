import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.proxies import run
from tests.proxies.small import batch, cell_network


def positive(network: nn.Module) -> nn.Module:
    """A double precision copy without signs and BatchNorm."""
    twin = copy.deepcopy(network).double()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.abs_()
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.forward = lambda x: x
    return twin


def passed(network: nn.Module, x: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Gradients and outputs of all layers."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    outputs: dict[nn.Module, Tensor] = {}
    handles = [m.register_forward_hook(lambda m, _, out: outputs.update({m: out})) for m in layers]
    loss = functional.cross_entropy(network(x), y)
    gradients = torch.autograd.grad(loss, [m.weight for m in layers], materialize_grads=True)
    for handle in handles:
        handle.remove()
    return [*gradients], [outputs[m].detach() for m in layers]


def definition(sign: int) -> float:
    images, labels = batch(10)
    x, y = images[:8].double(), labels[:8]
    clean, twin = positive(cell_network()), positive(cell_network())
    gradients, features = passed(clean, x, y)
    of_twin = [m for m in twin.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        for layer, gradient in zip(of_twin, gradients, strict=True):
            if gradient.norm() > 0:
                layer.weight += 2 * layer.weight.norm() / gradient.norm() * gradient
    x.requires_grad_(True)
    (slope,) = torch.autograd.grad(functional.cross_entropy(twin(x), y), x)
    moved = (x + sign * 0.01 * slope.sign()).clamp(0, 1).detach()
    twin_gradients, twin_features = passed(twin, moved, y)
    weights = [m.weight for m in clean.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    cosine = functional.cosine_similarity
    return sum(
        float(
            (1 + cosine(layer.weight.detach(), weight.detach(), dim=0)).sum()
            * cosine(twin_gradient, gradient, dim=0).abs().sum()
            * (1 + cosine(twin_feature, feature, dim=0)).sum()
        )
        for layer, weight, twin_gradient, gradient, twin_feature, feature in zip(
            of_twin, weights, twin_gradients, gradients, twin_features, features, strict=True
        )
    )


@pytest.mark.parametrize(("name", "sign"), [("croze", -1), ("croze_ascent", 1)])
def test_consistency_of_the_two_networks(name: str, sign: int) -> None:
    got = run(cell_network(), *batch(10), num_classes=4, proxies=name).values[name]
    assert got == pytest.approx(definition(sign), rel=1e-6)


def test_the_sign_matters() -> None:
    values = run(cell_network(), *batch(), num_classes=4, proxies=["croze", "croze_ascent"]).values
    assert values["croze"] != values["croze_ascent"]
