"""CURVATURE: weight gradients, and a difference of image gradients, in evaluation mode."""

import torch
from torch import Tensor
from torch.nn import functional

from acorn.graph.modes import evaluating
from acorn.proxies._engine.records import Records
from acorn.proxies._network.measured import MeasuredNetwork

STEP = 50.0
"""Euclidean length of the step whose effect is measured (published for CIFAR)."""


def curvature_pass(network: MeasuredNetwork, images: Tensor, records: Records) -> None:
    """Go back from the cross-entropy on half of the batch, there and a step away.

    Each image steps along the sign of its own gradient. Norms use their running statistics: in a
    network as built they then are the identity, and nothing holds activations at one size.
    """
    half = max(1, len(images) // 2)
    first = images[:half].detach().requires_grad_(True)
    labels = records.labels[:half]

    def loss_at(x: Tensor) -> Tensor:
        # Of the sum the image gradients are those of each image's own loss.
        return functional.cross_entropy(network(x), labels, reduction="sum")

    with evaluating(network.module.modules()):
        *gradients, before = torch.autograd.grad(
            loss_at(first), [*records.weights, first], materialize_grads=True
        )
        direction = before.sign()
        length = direction.flatten(1).norm(dim=1).clamp_min(1)  # an image without gradient stays
        step = STEP * direction / length[:, None, None, None]
        moved = (first.detach() + step).requires_grad_(True)
        (after,) = torch.autograd.grad(loss_at(moved), [moved], materialize_grads=True)
    records.evaluated_gradients = [gradient / half for gradient in gradients]
    records.curvature = ((after - before) / STEP).flatten(1).double().norm(dim=1).mean()
