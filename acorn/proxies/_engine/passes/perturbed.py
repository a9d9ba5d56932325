"""PERTURBED: a network without signs, and a copy with perturbed weights and images."""

import math
from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._engine.records import PerturbedRecord
from acorn.proxies._math.deferred import Deferred
from acorn.proxies._math.layout import image_rows
from acorn.proxies._network.measured import MeasuredNetwork, WeightedLayer
from acorn.proxies._network.operations import Kept, OperationKind
from acorn.proxies._network.redraw import redrawn_parameters
from acorn.proxies._network.scaled import log_scale
from acorn.proxies._network.unsigned import set_weights, unsigned

DRAWS = 3
"""Draws: the network as it is, then with its weights drawn anew."""

IMAGES = 4
"""Images of each draw, at most; draws take one such part of the batch after the other."""

WEIGHT_SCALE = 2.0
"""Size of the weights' perturbation over that of the weights (released code)."""

GROWTH = 1 + WEIGHT_SCALE
"""About how many times as large the perturbed weights are."""

IMAGE_SCALE = 0.01
"""Size of the images' perturbation (released code)."""

LARGEST_LOG = 700.0
"""Natural log of the largest factor that the logits are multiplied with, in double precision."""

EXCEEDS = "activations of the network without signs exceed double precision"
"""What it means if a value that is read from this pass is not finite."""

DESCENT, ASCENT = -1, 1
"""Against the sign of the images' gradient, and along it."""


def _run(measurement: Measurement) -> None:
    """Three forwards and backwards of 4 images through |weights| and a perturbed copy, in 3 draws.

    All parameters lose their sign and BatchNorm is the identity, so activations grow with depth;
    layers are scaled to keep them in the range of single precision, which no cosine and no sign
    notices. The weights step along their gradient of the cross-entropy, by twice their own norm.
    The images then take one step against the sign of their gradient, and in the first draw also one
    along it.
    """
    network, images, labels = measurement.network, measurement.images, measurement.records.labels
    size = min(IMAGES, len(images))
    draws = []
    for draw in range(DRAWS):
        part = torch.arange(draw * size, (draw + 1) * size, device=images.device) % len(images)
        compared = partial(
            _compared,
            images=images[part],
            labels=labels[part],
            directions=(DESCENT,) if draw else (DESCENT, ASCENT),
        )
        parameters = redrawn_parameters(network) if draw else None
        draws.append(unsigned(network, compared, parameters))
    measurement.records.perturbed = PerturbedRecord(
        torch.stack([terms[0] for terms in draws]), draws[0][1]
    )


def _compared(
    network: MeasuredNetwork,
    images: Float[Tensor, "part channels height width"],
    labels: Int[Tensor, " part"],
    directions: Sequence[int],
) -> list[Float[Tensor, " layers"]]:
    """Compare the layers of one draw with the perturbed ones, for each direction of the images.

    The network has the draw's |weights|.
    """
    weights, layers = network.weights, network.layers
    images = images.to(weights[0].dtype)
    clean_outputs: dict[WeightedLayer, Kept] = {}
    moved_outputs: dict[WeightedLayer, Kept] = {}

    def gradients(
        wanted: Sequence[Tensor], x: Tensor, outputs: dict[WeightedLayer, Kept] | None
    ) -> tuple[Tensor, ...]:
        def keep(layer: WeightedLayer, out: Tensor) -> None:
            if outputs is not None:
                outputs[layer] = network.operations.keep(out.detach())

        with network.showing_layers(keep):
            logits = network(x)
        # Of an image the sign is wanted alone, so each may have a gradient of its own size.
        gradient = _loss_gradient(logits, labels, each=outputs is None)
        return torch.autograd.grad(logits, wanted, gradient, materialize_grads=True)

    with network.operations.replacing({OperationKind.BATCH_NORM: network.operations.bypass}):
        clean = gradients(weights, images, clean_outputs)
        with torch._C.DisableTorchFunction():  # what follows is of values, not of scales
            before = [weight.detach() for weight in weights]
            robust = _stepped(before, clean)
            weight_likeness = _likeness(robust, before)
        set_weights(network, robust, GROWTH)
        x = images.detach().requires_grad_(True)
        sign = gradients([x], x, None)[0].sign()
        results = []
        for direction in directions:
            moved_outputs.clear()
            x = (images + direction * IMAGE_SCALE * sign).clamp(0, 1)
            moved = gradients(weights, x, moved_outputs)
            with torch._C.DisableTorchFunction():
                gradient_likeness = _sums(_cosines(moved, clean))
                # A layer may be left out by chance.
                ran = clean_outputs.keys() & moved_outputs.keys()
                both = [n for n, layer in enumerate(layers) if layer in ran]
                feature_likeness = torch.zeros_like(weight_likeness)
                if both:
                    feature_likeness[both] = _likeness(
                        *(
                            [outputs[layers[n]].tensor for n in both]
                            for outputs in (moved_outputs, clean_outputs)
                        )
                    )
            results.append((weight_likeness * gradient_likeness * feature_likeness).abs())
    return results


@torch.no_grad()
def _loss_gradient(
    logits: Float[Tensor, "part classes"], labels: Int[Tensor, " part"], *, each: bool
) -> Float[Tensor, "part classes"]:
    """Gradient of the cross-entropy in the logits, with a largest entry of 1.

    In all images together, or in each.
    """
    factor = math.exp(min(log_scale(logits), LARGEST_LOG))
    with torch._C.DisableTorchFunction():
        values = logits.double()
        values = (values - values.amax(dim=1, keepdim=True)) * factor
        gradient = values.softmax(dim=1)
        gradient[torch.arange(len(labels), device=labels.device), labels] -= 1
        largest = gradient.abs().amax(dim=1 if each else (0, 1), keepdim=True)
        return (gradient / largest.clamp_min(torch.finfo(largest.dtype).tiny)).to(logits.dtype)


def _stepped(weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> Sequence[Tensor]:
    """Move weights along their gradients; those without gradient stay."""
    norms = ([*tensors] for tensors in (gradients, weights))
    lengths, sizes = (torch.stack(torch._foreach_norm(x, dtype=torch.float64)) for x in norms)
    steps = torch.where(lengths > 0, WEIGHT_SCALE * sizes / lengths, 0.0).to(weights[0].dtype)
    moves = torch._foreach_mul([*gradients], [*steps.unbind()])
    return torch._foreach_add([*weights], moves)


def _likeness(ones: Sequence[Tensor], others: Sequence[Tensor]) -> Float[Tensor, " layers"]:
    """Sum of 1 + cosine over all but the first dimension, along which the cosine is taken."""
    return _sums(torch._foreach_add(_cosines(ones, others), 1.0))


def _sums(parts: Sequence[Tensor]) -> Float[Tensor, " layers"]:
    """Sum of the absolute values of each of several vectors."""
    return torch.stack(torch._foreach_norm([*parts], 1))


def _cosines(ones: Sequence[Tensor], others: Sequence[Tensor]) -> list[Float[Tensor, " _columns"]]:
    """Cosine of each pair of tensors along their first dimension; many small pairs together.

    In double precision: squares exceed the range of single precision before activations do.
    """
    cosines: dict[int, Tensor] = {}

    def compute(places: list[int]) -> None:
        pairs = [
            (image_rows(ones[place]), image_rows(others[place], like=ones[place]))
            for place in places
        ]
        one, other = (torch.cat(rows, dim=1).double() for rows in zip(*pairs, strict=True))
        norms = [(x * x).sum(dim=0).sqrt() for x in (one, other)]
        shortest = torch.finfo(one.dtype).tiny
        product = (norms[0] * norms[1]).clamp_min(shortest)
        # NaN, and not 0, where squares exceed double precision.
        cosine = (one * other).sum(dim=0) / product + (product - product)
        cosines.update(zip(places, cosine.split([one.shape[1] for one, _ in pairs]), strict=True))

    pending = {len(one): Deferred(compute) for one in ones}
    for place, one in enumerate(ones):
        pending[len(one)].add(place, one)
    for waiting in pending.values():
        waiting.reduce()
    return [cosines[place] for place in range(len(ones))]


PERTURBED = define_pass("perturbed", _run, after=SURVEY, fills=("perturbed",), cost=1.8)
