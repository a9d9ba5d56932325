"""SYNFLOW: forward and backward of a network without signs."""

import torch
from torch import Tensor

from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._network.operations import (
    NORMALISATIONS,
    Operation,
    OperationKind,
    Replacement,
)


def _run(measurement: Measurement) -> None:
    """Forward and backward of one image of ones through |weights| without norms, in doubles.

    Double precision, since the sum grows with the product of all widths.
    """
    double = measurement.network.double()
    positive = [(p, p.detach().abs()) for p in double.module.parameters()]
    ones = torch.ones_like(measurement.images[:1], dtype=torch.float64)
    replacements: dict[OperationKind, Replacement] = {
        **dict.fromkeys(NORMALISATIONS, double.operations.bypass),
        OperationKind.SOFTMAX: _equal_shares,
        OperationKind.ATTENTION: _equal_attention,
    }
    with double.with_values(positive), double.operations.replacing(replacements):
        flow = double(ones).sum()
        gradients = torch.autograd.grad(flow, double.weights, materialize_grads=True)
        measurement.records.synflow = [
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


SYNFLOW = define_pass("synflow", _run, after=SURVEY, fills=("synflow",), cost=0.17)
