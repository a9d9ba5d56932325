"""PERTURBED: a network without signs, and a copy with perturbed weights and images."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._engine.records import PerturbedRecord
from acorn.proxies._network.measured import MeasuredNetwork, WeightedLayer
from acorn.proxies._network.operations import Kept, OperationKind
from acorn.proxies._network.redraw import redrawn_parameters

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

EXCEEDS = "activations of the network without signs exceed double precision"
"""What it means if a value that is read from this pass is not finite."""

DESCENT, ASCENT = -1, 1
"""Against the sign of the images' gradient, and along it."""


def _run(measurement: Measurement) -> None:
    """Three forwards and backwards of 4 images through |weights| and a perturbed copy, in 3 draws.

    All parameters lose their sign and BatchNorm is the identity, so activations grow with depth
    beyond single precision; the pass runs in double precision. The weights step along their
    gradient of the cross-entropy, by twice their own norm. The images then take one step against
    the sign of their gradient, and in the first draw also one along it.
    """
    network, images, records = measurement.network, measurement.images, measurement.records
    size = min(IMAGES, len(images))
    double = network.double()
    parameters = [*double.module.parameters()]
    draws = []
    with double.with_values([(p, p.detach()) for p in parameters]):
        for draw in range(DRAWS):
            part = torch.arange(draw * size, (draw + 1) * size, device=images.device) % len(images)
            drawn = redrawn_parameters(network) if draw else [*network.module.parameters()]
            double.set_values(zip(parameters, (p.detach().abs() for p in drawn), strict=True))
            directions = (DESCENT,) if draw else (DESCENT, ASCENT)
            draws.append(_compared(double, images[part], records.labels[part], directions))
    records.perturbed = PerturbedRecord(torch.stack([terms[0] for terms in draws]), draws[0][1])


def _compared(
    network: MeasuredNetwork,
    images: Tensor,
    labels: Tensor,
    directions: Sequence[int],
) -> list[Float[Tensor, " layers"]]:
    """Compare the layers of one draw with the perturbed ones, for each direction of the images.

    The network, in double precision, has the draw's |weights|.
    """
    images = images.double()
    weights = network.weights
    features: dict[WeightedLayer, Kept] = {}
    likeness: dict[WeightedLayer, Tensor] = {}

    def keep(layer: WeightedLayer, out: Tensor) -> None:
        features[layer] = network.operations.keep(out.detach())

    def compare(layer: WeightedLayer, out: Tensor) -> None:
        if layer in features:  # a layer may be left out by chance
            likeness[layer] = _likeness(out.detach(), features[layer].tensor)

    def gradients(wanted: Sequence[Tensor], x: Tensor) -> tuple[Tensor, ...]:
        loss = functional.cross_entropy(network(x), labels)
        return torch.autograd.grad(loss, wanted, materialize_grads=True)

    with network.operations.replacing({OperationKind.BATCH_NORM: network.operations.bypass}):
        with network.showing_layers(keep):
            clean = gradients(weights, images)
        before = [weight.detach().clone() for weight in weights]
        robust = [_stepped(weight, g) for weight, g in zip(before, clean, strict=True)]
        network.set_values(zip(weights, robust, strict=True))
        x = images.detach().requires_grad_(True)
        sign = gradients([x], x)[0].sign()
        weight_likeness = [_likeness(r, w) for r, w in zip(robust, before, strict=True)]
        results = []
        for direction in directions:
            likeness.clear()
            with network.showing_layers(compare):
                moved = gradients(weights, (images + direction * IMAGE_SCALE * sign).clamp(0, 1))
            terms = [
                (alike * _cosine(m, c).abs().sum() * likeness.get(layer, alike.new_zeros(()))).abs()
                for layer, alike, m, c in zip(
                    network.layers, weight_likeness, moved, clean, strict=True
                )
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


PERTURBED = define_pass("perturbed", _run, after=SURVEY, fills=("perturbed",), cost=3.6)
