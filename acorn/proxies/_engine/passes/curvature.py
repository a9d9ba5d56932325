"""CURVATURE: weight gradients, and a difference of image gradients, in evaluation mode."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from acorn.graph.modes import evaluating
from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._math.running_norm import RunningNorms
from acorn.proxies._network.operations import OperationKind

STEP = 50.0
"""Euclidean length of the step whose effect is measured (published for CIFAR)."""


def _run(measurement: Measurement) -> None:
    """Forward and backward of half of the batch in evaluation mode, and again a step away.

    Each image steps along the sign of its own gradient; the second backward goes to the images
    alone. Norms use their running statistics, which makes them the identity in a new network.
    """
    network, records = measurement.network, measurement.records
    half = max(1, len(measurement.images) // 2)
    first = measurement.images[:half].detach().requires_grad_(True)
    labels = records.labels[:half]

    def loss_at(x: Float[Tensor, "half channels height width"]) -> Float[Tensor, ""]:
        # The image gradients of the sum are those of each image's own loss.
        return functional.cross_entropy(network(x), labels, reduction="sum")

    running = {OperationKind.BATCH_NORM: RunningNorms(network.norms)}
    with evaluating(network.module.modules()), network.operations.replacing(running):
        *gradients, before = torch.autograd.grad(
            loss_at(first), [*records.weights, first], materialize_grads=True
        )
        direction = before.sign()
        length = direction.flatten(1).norm(dim=1).clamp_min(1)  # an image without gradient stays
        step = STEP * direction / length[:, None, None, None]
        moved = (first.detach() + step).requires_grad_(True)
        (after,) = torch.autograd.grad(loss_at(moved), [moved], materialize_grads=True)
    records.evaluated_gradients = [*torch._foreach_div(gradients, half)] if gradients else []
    records.curvature = ((after - before) / STEP).flatten(1).double().norm(dim=1).mean()


CURVATURE = define_pass(
    "curvature", _run, after=SURVEY, fills=("evaluated_gradients", "curvature"), cost=0.75
)
