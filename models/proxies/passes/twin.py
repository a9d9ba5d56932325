"""TWIN: a network without signs, and a copy whose weights and images were perturbed."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from models.proxies.passes.layers import layer_weights
from models.proxies.passes.redraw import redrawn_parameters
from models.proxies.passes.watch import captured
from models.proxies.records import Records, TwinRecord
from models.proxies.state import BatchNorm, bypassed

DRAWS = 3
"""Draws: the network as it is, then with its weights drawn anew."""

IMAGES = 4
"""Images of each draw, at most; draws take one such part of the batch after the other."""

WEIGHT_SCALE = 2.0
"""Size of the weights' perturbation over that of the weights (released code)."""

IMAGE_SCALE = 0.01
"""Size of the images' perturbation (released code)."""

SHORTEST = 1e-8
"""Norm below which a vector counts as zero, as in torch's cosine similarity."""

DESCENT, ASCENT = -1, 1
"""Against the sign of the images' gradient, and along it."""


def twin_pass(network: nn.Module, images: Tensor, records: Records) -> None:
    """Compare |weights| on images with the perturbed |weights| on perturbed images.

    All parameters lose their sign and BatchNorm is the identity, so activations grow with depth
    beyond single precision. The weights step along their gradient of the cross-entropy, to twice
    their own norm; then the images take one step against the sign of theirs, and in the first
    draw also one along it.
    """
    size = min(IMAGES, len(images))
    draws = []
    for draw in range(DRAWS):
        part = torch.arange(draw * size, (draw + 1) * size, device=images.device) % len(images)
        parameters = redrawn_parameters(network) if draw else dict(network.named_parameters())
        directions = (DESCENT,) if draw else (DESCENT, ASCENT)
        draws.append(_compared(network, parameters, images[part], records.labels[part], directions))
    records.twin = TwinRecord(torch.stack([terms[0] for terms in draws]), draws[0][1])


def _compared(
    network: nn.Module,
    parameters: Mapping[str, Tensor],
    images: Tensor,
    labels: Tensor,
    directions: Sequence[int],
) -> list[Float[Tensor, " layers"]]:
    """Compare the layers of one draw with their twins, for each direction of the images."""
    images = images.double()
    names = [*layer_weights(network)]
    tensors = {name: parameter.detach().abs().double() for name, parameter in parameters.items()}
    tensors |= {n: b.double() if b.is_floating_point() else b for n, b in network.named_buffers()}
    layers = [network.get_submodule(name.rpartition(".")[0]) for name in names]
    features: dict[nn.Module, Tensor] = {}
    likeness: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, out: Tensor) -> None:
        features[layer] = out.detach()

    def compare(layer: nn.Module, out: Tensor) -> None:
        likeness[layer] = _likeness(out.detach(), features[layer])

    def gradients(weights: Iterable[Tensor], x: Tensor) -> tuple[Tensor, ...]:
        wanted = [weight.detach().requires_grad_(True) for weight in weights]
        loss = functional.cross_entropy(
            functional_call(network, tensors | dict(zip(names, wanted, strict=True)), (x,)), labels
        )
        return torch.autograd.grad(loss, wanted, materialize_grads=True)

    with bypassed(network, BatchNorm):
        weights = [tensors[name] for name in names]
        with captured(layers, keep):
            clean = gradients(weights, images)
        robust = [_stepped(weight, g) for weight, g in zip(weights, clean, strict=True)]
        twin = tensors | dict(zip(names, robust, strict=True))
        sign = _image_gradient(network, twin, images, labels)
        weight_likeness = [_likeness(r, w) for r, w in zip(robust, weights, strict=True)]
        results = []
        for direction in directions:
            likeness.clear()
            with captured(layers, compare):
                moved = gradients(robust, (images + direction * IMAGE_SCALE * sign).clamp(0, 1))
            terms = [
                (alike * _cosine(m, c).abs().sum() * likeness[layer]).abs()
                for layer, alike, m, c in zip(layers, weight_likeness, moved, clean, strict=True)
                if layer in likeness  # a layer may go unused
            ]
            results.append(torch.stack(terms))
    return results


def _stepped(weight: Tensor, gradient: Tensor) -> Tensor:
    """Move a weight along its gradient; one without gradient stays."""
    length = gradient.norm()
    unit = torch.where(length > 0, gradient / length, 0.0)
    return weight + WEIGHT_SCALE * weight.norm() * unit


def _likeness(one: Tensor, other: Tensor) -> Float[Tensor, ""]:
    """Sum of 1 + cosine over all but the first dimension, along which the cosine is taken."""
    return (1 + _cosine(one, other)).sum()


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    """Cosine along the first dimension; torch's own takes ten times as long in double precision."""
    norms = [(x * x).sum(dim=0).sqrt().clamp_min(SHORTEST) for x in (one, other)]
    return (one * other).sum(dim=0) / (norms[0] * norms[1])


def _image_gradient(
    network: nn.Module, tensors: dict[str, Tensor], images: Tensor, labels: Tensor
) -> Tensor:
    """Sign of the cross-entropy's gradient in the images."""
    x = images.detach().requires_grad_(True)
    loss = functional.cross_entropy(functional_call(network, tensors, (x,)), labels)
    (gradient,) = torch.autograd.grad(loss, [x], materialize_grads=True)
    return gradient.sign()
