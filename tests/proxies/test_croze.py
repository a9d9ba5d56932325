import statistics

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from acorn.proxies import run
from acorn.proxies._network.redraw import redrawn_parameters
from tests.proxies.small import batch, cell_network, measured


def positive(weights: dict[str, Tensor]) -> nn.Module:
    """A double precision network of these weights without signs, and without BatchNorm."""
    twin = cell_network().double()
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            parameter.copy_(weights[name])
        for parameter in twin.parameters():
            parameter.abs_()
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.forward = lambda x: x  # type: ignore[method-assign, assignment]
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


def drawn() -> list[dict[str, Tensor]]:
    """The three draws of weights under seed 0."""
    network = cell_network()
    own: dict[str, Tensor] = dict(network.named_parameters())
    with measured(network, batch()[0]) as replica:
        torch.manual_seed(0)
        others = [redrawn_parameters(replica) for _ in range(2)]
    return [own, *(dict(zip(own, values, strict=True)) for values in others)]


def definition(sign: int, weights: dict[str, Tensor], part: list[int]) -> float:
    """One draw's score, on these images of the batch of ten."""
    images, labels = batch(10)
    x, y = images[part].double(), labels[part]
    clean, twin = positive(weights), positive(weights)
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
    originals = [m.weight for m in clean.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    cosine = functional.cosine_similarity
    return sum(
        float(
            (1 + cosine(layer.weight.detach(), weight.detach(), dim=0)).sum()
            * cosine(twin_gradient, gradient, dim=0).abs().sum()
            * (1 + cosine(twin_feature, feature, dim=0)).sum()
        )
        for layer, weight, twin_gradient, gradient, twin_feature, feature in zip(
            of_twin, originals, twin_gradients, gradients, twin_features, features, strict=True
        )
    )


def test_is_the_mean_over_three_draws() -> None:
    parts = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    scores = [definition(-1, *draw) for draw in zip(drawn(), parts, strict=True)]
    got = run(cell_network(), *batch(10), num_classes=4, proxies="croze")
    assert got.values["croze"] == pytest.approx(statistics.fmean(scores), rel=1e-6)
    assert got.errors["croze"] == pytest.approx(statistics.stdev(scores) / 3**0.5, rel=1e-5)


def test_the_sign_matters() -> None:
    values = run(cell_network(), *batch(), num_classes=4, proxies=["croze", "croze_ascent"]).values
    assert values["croze"] != values["croze_ascent"]


@pytest.mark.slow
def test_a_chain_that_exceeds_double_precision_says_so() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(64, 64, 3, padding=1) for _ in range(300)]
    network = nn.Sequential(
        nn.Conv2d(3, 64, 1), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 4)
    )
    images = torch.randn(2, 3, 2, 2)
    names = ["croze", "croze_ascent"]
    result = run(network, images, torch.arange(2), num_classes=4, proxies=names)
    assert result.values["croze"] is None
    assert all("double precision" in result.reasons[name] for name in names), result.reasons
