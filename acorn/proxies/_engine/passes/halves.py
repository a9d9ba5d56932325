"""HALVES and LOGITS: the batch in two halves, and a second backward of the first.

These forwards are separate from that of LOSS, whose layers take other forms when HESSIAN is
needed. The readers of these passes thus have the same value, whatever else is computed.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.graph import Node
from torch.nn import functional

from acorn.proxies._engine.observers import overriding, show, watched
from acorn.proxies._engine.pass_registry import Measurement, define_pass
from acorn.proxies._engine.passes.static import SURVEY
from acorn.proxies._network.operations import Operation, OperationKind
from acorn.proxies._network.watch_modules import hooked


@dataclass(slots=True)
class _FirstHalf:
    """The graph that HALVES leaves to LOGITS."""

    images: Float[Tensor, "half channels height width"]
    rectifiers: list[Node] = field(default_factory=list)
    logits: Float[Tensor, "half classes"] | None = None


def _halves(measurement: Measurement) -> None:
    """Forward and backward of the cross-entropy on each half of the batch.

    An odd image belongs to the second half.
    """
    network, records = measurement.network, measurement.records
    half = len(measurement.images) // 2
    if half == 0:
        raise ValueError("a batch of one image has no halves")
    first = _FirstHalf(measurement.images[:half].detach().requires_grad_(True))
    keeps_graph = LOGITS in measurement.needed

    def keep(_operation: Operation, out: Tensor) -> None:
        if out.grad_fn is not None:
            first.rectifiers.append(out.grad_fn)

    observing = network.operations.observing
    rectifier = OperationKind.RECTIFIER
    observers = measurement.observers[HALVES]
    keeping = observing({rectifier: keep}) if keeps_graph else nullcontext()
    with watched(network, observers), keeping:
        # LOGITS reads the gradient of each rectifier by itself.
        logits = network(first.images, share_rectifiers=False)
    loss = functional.cross_entropy(logits, records.labels[:half])
    gradients = torch.autograd.grad(
        loss, records.weights, retain_graph=keeps_graph, materialize_grads=True
    )
    if keeps_graph:
        first.logits = logits
        measurement.kept[HALVES] = first

    def show_second(_operation: Operation, out: Tensor) -> None:
        show(second, "on_second_activation", out.detach())

    second = overriding(observers, "on_second_activation")
    with observing({rectifier: show_second}) if second else nullcontext():
        logits = network(measurement.images[half:])
    other = functional.cross_entropy(logits, records.labels[half:])
    others = torch.autograd.grad(other, records.weights, materialize_grads=True)
    records.half_gradients = ([*gradients], [*others])


def _logits(measurement: Measurement) -> None:
    """Backward of the summed logits to the images, after the first half of *halves*."""
    first: _FirstHalf = measurement.kept.pop(HALVES)
    assert first.logits is not None  # noqa: S101 - HALVES kept them
    observers = overriding(measurement.observers[LOGITS], "on_input_gradient")

    def on_node(gradients: Sequence[Tensor | None], _outputs: Sequence[Tensor | None]) -> None:
        if gradients[0] is not None:
            show(observers, "on_input_gradient", gradients[0].detach())

    with hooked([node.register_hook(on_node) for node in first.rectifiers]):
        torch.autograd.grad(first.logits.sum(), [first.images], materialize_grads=True)
    show(observers, "reduce")


HALVES = define_pass(
    "halves",
    _halves,
    after=SURVEY,
    fills=("half_gradients",),
    shows=("on_activation", "on_second_activation", "on_operation"),
    cost=1.1,
)
LOGITS = define_pass("logits", _logits, after=HALVES, shows=("on_input_gradient",), cost=0.3)
