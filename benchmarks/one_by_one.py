"""The thirteen proxies in plain PyTorch, with a new copy and separate passes for each.

This is the baseline for the engine with shared passes.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from acorn.graph import count_params, trace

Naive = Callable[[nn.Module, Tensor, Tensor], float]


def _layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def _gradient(tensor: Tensor) -> Tensor:
    if tensor.grad is None:
        raise ValueError("got a tensor without gradient; expected a backward pass before")
    return tensor.grad


def _gradients(network: nn.Module, images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    network.zero_grad()
    functional.cross_entropy(network(images), labels).backward()
    return [(layer.weight, _gradient(layer.weight)) for layer in _layers(network)]


def params(network: nn.Module, _images: Tensor, _labels: Tensor) -> float:
    return count_params(network) / 1e6


def flops(network: nn.Module, images: Tensor, _labels: Tensor) -> float:
    return trace(network, tuple(images.shape[1:]), keep_dead=True).flops / 1e6


def grad_norm(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    return sum(g.norm().item() for _, g in _gradients(network, images, labels))


def snip(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    return sum((w * g).abs().sum().item() for w, g in _gradients(network, images, labels))


def plain(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    return sum((w * g).sum().item() for w, g in _gradients(network, images, labels))


def l2_norm(network: nn.Module, _images: Tensor, _labels: Tensor) -> float:
    return sum(layer.weight.norm().item() for layer in _layers(network))


def fisher(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    kept: list[tuple[Any, Tensor]] = []

    def keep(layer: nn.Module, _inputs: tuple[Tensor, ...], out: Tensor) -> None:
        out.retain_grad()
        kept.append((layer, out))

    for layer in _layers(network):
        layer.register_forward_hook(keep)
    functional.cross_entropy(network(images), labels).backward()
    total = 0.0
    for layer, out in kept:
        product = out.detach() * _gradient(out)
        saliency = product.flatten(2).sum(2) if out.dim() > 2 else product
        total += saliency.square().mean(0).sum().item() / 2 * layer.weight[0].numel()
    return total


def grasp(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    weights = [layer.weight for layer in _layers(network)]
    fixed = torch.autograd.grad(functional.cross_entropy(network(images), labels), weights)
    loss = functional.cross_entropy(network(images), labels)
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    product = sum(((f * g).sum() for f, g in zip(fixed, gradients, strict=True)), torch.zeros(()))
    curved = torch.autograd.grad(product, weights)
    return -sum(float((w * h).sum()) for w, h in zip(weights, curved, strict=True))


def _jacobian(network: nn.Module, images: Tensor) -> Tensor:
    images = images.clone().requires_grad_(True)
    (jacobian,) = torch.autograd.grad(network(images).sum(), images)
    return jacobian.flatten(1)


def jacov(network: nn.Module, images: Tensor, _labels: Tensor) -> float:
    eigenvalues = torch.linalg.eigvalsh(torch.corrcoef(_jacobian(network, images))) + 1e-5
    return -(eigenvalues.log() + 1 / eigenvalues).sum().item()


def epe_nas(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    jacobian = _jacobian(network, images)
    parts = [torch.corrcoef(jacobian[labels == label]) for label in labels.unique()]
    return sum((part.abs() + 1e-5).log().sum().abs().item() for part in parts)


def nwot(network: nn.Module, images: Tensor, _labels: Tensor) -> float:
    kernel = torch.zeros(len(images), len(images))

    def add(_layer: nn.Module, _inputs: tuple[Tensor, ...], out: Tensor) -> None:
        code = (out > 0).flatten(1).float()
        kernel.add_(code @ code.T + (1 - code) @ (1 - code).T)

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(add)
    with torch.no_grad():
        network(images)
    return torch.linalg.slogdet(kernel).logabsdet.item()


def synflow(network: nn.Module, images: Tensor, _labels: Tensor) -> float:
    network.double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.forward = nn.Identity()  # type: ignore[method-assign]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    network(torch.ones_like(images[:1], dtype=torch.float64)).sum().backward()
    terms = [float((layer.weight * _gradient(layer.weight)).sum()) for layer in _layers(network)]
    return math.log(sum(terms))


def zen(network: nn.Module, images: Tensor, _labels: Tensor) -> float:
    maps: list[Tensor] = []
    network.get_submodule("last").register_forward_hook(lambda _m, _i, out: maps.append(out))
    with torch.no_grad():
        for layer in _layers(network):
            nn.init.normal_(layer.weight)
        noise = torch.randn_like(images)
        network(noise)
        network(noise + 1e-2 * torch.randn_like(images))
        scale = sum(
            float(m.running_var.mean().sqrt().log())
            for m in network.modules()
            if isinstance(m, nn.BatchNorm2d) and m.running_var is not None
        )
        return (maps[0] - maps[1]).abs().sum([1, 2, 3]).mean().log().item() + scale


THIRTEEN: dict[str, Naive] = {
    function.__name__: function
    for function in (
        params, flops, grad_norm, snip, plain, l2_norm, fisher, grasp, jacov, epe_nas, nwot,
        synflow, zen,
    )
}  # fmt: skip


def compute(network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Compute all thirteen, each on a deep copy in training mode."""
    return {
        name: function(copy.deepcopy(network).train(), images, labels)
        for name, function in THIRTEEN.items()
    }
