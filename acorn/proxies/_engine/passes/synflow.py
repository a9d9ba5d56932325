"""SYNFLOW: forward and backward of a network without signs."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.operations import (
    NORMALISATIONS,
    Operation,
    OperationKind,
    Replacement,
)
from acorn.proxies._network.scaled import log_scale
from acorn.proxies._network.unsigned import unsigned


def _run(measurement: Measurement) -> None:
    """Forward and backward of one image of ones through |weights| without norms.

    The sum grows with the product of all widths. Weights are scaled to keep activations near one,
    and the logits' scale is put back in the logarithm; a network of which that cannot be worked out
    is run in double precision.
    """
    network, images = measurement.network, measurement.images
    replacements: dict[OperationKind, Replacement] = {
        **dict.fromkeys(NORMALISATIONS, network.operations.bypass),
        OperationKind.SOFTMAX: _equal_shares,
        OperationKind.ATTENTION: _equal_attention,
    }

    def flow(network: MeasuredNetwork) -> Float[Tensor, ""]:
        dtype = network.weights[0].dtype if network.weights else images.dtype
        logits = network(torch.ones_like(images[:1], dtype=dtype))
        gradients = torch.autograd.grad(logits.sum(), network.weights, materialize_grads=True)
        scale = log_scale(logits)
        with torch._C.DisableTorchFunction():  # what follows is of values, not of scales
            weights = [weight.detach() for weight in network.weights]
            products = torch._foreach_mul(weights, [*gradients])
            total = torch.cat([product.flatten() for product in products]).sum(dtype=torch.float64)
            return total.log() + scale

    with network.operations.replacing(replacements):
        measurement.records.synflow = unsigned(network, flow)


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
