"""HALVES and LOGITS: the batch in two halves, and another way back from the first."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.nn import functional

from acorn.proxies._engine.records import Records
from acorn.proxies._engine.registry import Observer
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._network.operations import Operation, OperationKind
from acorn.proxies._network.watch_modules import hooked
from acorn.proxies._passes.watch import overriding, show, watched


class HalvesGraph:
    """HALVES, and the pass that goes on from its first half.

    These forwards are kept apart from that of LOSS, whose layers take other forms when second
    derivatives are wanted: what reads these passes has the same value, whatever else is wanted.

    Parameters
    ----------
    network
        The network.
    images
        ``(batch, 3, h, w)``; an odd one goes to the second half.
    records
        Where the results go.
    observers
        Proxies that watch the forwards.
    rectifier_observers
        Proxies that watch the gradients at rectifiers' inputs in LOGITS.
    """

    def __init__(
        self,
        network: MeasuredNetwork,
        images: Tensor,
        records: Records,
        observers: Sequence[Observer],
        rectifier_observers: Sequence[Observer],
    ) -> None:
        self._network = network
        self._images = images
        self._records = records
        self._observers = observers
        self._rectifier_observers = overriding(rectifier_observers, "on_input_gradient")
        self._rectifiers: list[Node] = []
        self._logits: Tensor | None = None

    def halves(self, *, keep_graph: bool) -> None:
        """Run forward and backward on each half."""
        half = len(self._images) // 2
        if half == 0:
            raise ValueError("a batch of one image has no halves")
        self._first = self._images[:half].detach().requires_grad_(True)

        def keep(_operation: Operation, out: Tensor) -> None:
            if out.grad_fn is not None:
                self._rectifiers.append(out.grad_fn)

        observing = self._network.operations.observing
        rectifier = OperationKind.RECTIFIER
        keeping = observing({rectifier: keep}) if self._rectifier_observers else nullcontext()
        with watched(self._network, self._observers), keeping:
            logits = self._network(self._first)
        loss = functional.cross_entropy(logits, self._records.labels[:half])
        gradients = torch.autograd.grad(
            loss, self._records.weights, retain_graph=keep_graph, materialize_grads=True
        )
        self._logits = logits if keep_graph else None

        def show_second(_operation: Operation, out: Tensor) -> None:
            show(second, "on_second_activation", out.detach())

        second = overriding(self._observers, "on_second_activation")
        with observing({rectifier: show_second}) if second else nullcontext():
            logits = self._network(self._images[half:])
        other = functional.cross_entropy(logits, self._records.labels[half:])
        others = torch.autograd.grad(other, self._records.weights, materialize_grads=True)
        self._records.half_gradients = ([*gradients], [*others])

    def logits(self) -> None:
        """Go back from the first half's summed logits to the images, and let the graph go."""
        logits, self._logits = self._logits, None
        rectifiers, self._rectifiers = self._rectifiers, []
        assert logits is not None  # noqa: S101 - halves(keep_graph=True) came first

        def on_node(gradients: Sequence[Tensor | None], _outputs: Sequence[Tensor | None]) -> None:
            if gradients[0] is not None:
                show(self._rectifier_observers, "on_input_gradient", gradients[0].detach())

        with hooked([node.register_hook(on_node) for node in rectifiers]):
            torch.autograd.grad(logits.sum(), [self._first], materialize_grads=True)
