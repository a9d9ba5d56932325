"""SYNFLOW: forward and backward of a network without signs."""

import torch
from torch import Tensor

from acorn.proxies._engine.records import Records
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.operations import (
    NORMALISATIONS,
    Operation,
    OperationKind,
    Replacement,
)


def synflow_pass(network: MeasuredNetwork, images: Tensor, records: Records) -> None:
    """Sum the logits of a positive, norm-free copy of the network on ones, and go back.

    Double precision: the sum grows with the product of all widths.
    """
    double = network.double()
    positive = [(p, p.detach().abs()) for p in double.module.parameters()]
    ones = torch.ones_like(images[:1], dtype=torch.float64)
    replacements: dict[OperationKind, Replacement] = {
        **dict.fromkeys(NORMALISATIONS, double.operations.bypass),
        OperationKind.SOFTMAX: _equal_shares,
        OperationKind.ATTENTION: _equal_attention,
    }
    with double.with_values(positive), double.operations.replacing(replacements):
        flow = double(ones).sum()
        gradients = torch.autograd.grad(flow, double.weights, materialize_grads=True)
        records.synflow = [
            (weight.detach() * gradient).sum()
            for weight, gradient in zip(double.weights, gradients, strict=True)
        ]


def _equal_shares(operation: Operation) -> Tensor | None:
    """Give each entry the same share: a softmax would pass on no more than its largest."""
    dim = operation.arguments.get("dim")
    if dim is None:
        return None
    x = operation.input
    return torch.full_like(x, 1 / x.shape[dim])


def _equal_attention(operation: Operation) -> Tensor:
    """Attend to all places alike."""
    query, value = operation.input, operation.arguments["value"]
    mean = value.mean(dim=-2, keepdim=True)
    if query.dim() > 2 and query.shape[-3] != value.shape[-3]:  # heads that share keys
        mean = mean.repeat_interleave(query.shape[-3] // value.shape[-3], dim=-3)
    return mean.expand(*query.shape[:-1], value.shape[-1])
