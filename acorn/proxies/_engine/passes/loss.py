"""LOSS, JACOBIAN and HESSIAN: one forward, and three backwards."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from acorn.proxies._engine.observers import watched
from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._math.convolution import Wanted
from acorn.proxies._math.second_order import cheap_second_derivatives


@dataclass(slots=True)
class _LossGraph:
    """The graph that LOSS leaves to JACOBIAN and HESSIAN."""

    images: Float[Tensor, "batch channels height width"]
    logits: Float[Tensor, "batch classes"] | None
    gradients: Sequence[Tensor]  # can be differentiated, for HESSIAN
    wanted: Wanted


def _loss(measurement: Measurement) -> None:
    """Forward and backward of the cross-entropy on the batch."""
    network, records = measurement.network, measurement.records
    images = measurement.images.detach().requires_grad_(True)
    jacobian, hessian = JACOBIAN in measurement.needed, HESSIAN in measurement.needed
    with watched(network, measurement.observers[LOSS]):
        with cheap_second_derivatives(network) if hessian else nullcontext(Wanted()) as wanted:
            logits = network(images)
        gradients = torch.autograd.grad(
            functional.cross_entropy(logits, records.labels),
            records.weights,
            retain_graph=jacobian or hessian,
            create_graph=hessian,
            materialize_grads=True,
        )
    records.gradients = [gradient.detach() for gradient in gradients]
    if jacobian or hessian:
        kept_logits = logits if jacobian else None
        measurement.kept[LOSS] = _LossGraph(images, kept_logits, gradients, wanted)


def _jacobian(measurement: Measurement) -> None:
    """Backward of the summed logits to the images, after *loss*."""
    graph: _LossGraph = measurement.kept[LOSS]
    logits, graph.logits = graph.logits, None  # from here on only HESSIAN holds the graph
    assert logits is not None  # noqa: S101 - LOSS kept them
    graph.wanted.weights = False
    (jacobian,) = torch.autograd.grad(
        logits.sum(), [graph.images], retain_graph=True, materialize_grads=True
    )
    graph.wanted.weights = True
    measurement.records.jacobian = jacobian.flatten(1)


def _hessian(measurement: Measurement) -> None:
    """Backward through the backward of *loss*, along the gradient."""
    graph: _LossGraph = measurement.kept.pop(LOSS)
    records = measurement.records
    products = torch.autograd.grad(
        graph.gradients, records.weights, records.gradients, materialize_grads=True
    )
    records.hessian_gradients = [*products]


LOSS = define_pass(
    "loss",
    _loss,
    after=SURVEY,
    fills=("gradients",),
    shows=("on_activation", "on_gradient"),
    cost=1.0,
)
JACOBIAN = define_pass("jacobian", _jacobian, after=LOSS, fills=("jacobian",), cost=0.4)
HESSIAN = define_pass("hessian", _hessian, after=LOSS, fills=("hessian_gradients",), cost=1.5)
