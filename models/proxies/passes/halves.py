"""HALVES, LOGITS and CURVATURE: the batch in two halves, and more ways back from the first."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn import functional

from models.proxies.passes.layers import RECTIFIERS
from models.proxies.passes.watch import captured, overriding, watched
from models.proxies.records import Records
from models.proxies.registry import Observer
from models.proxies.state import hooked

STEP = 1.5
"""Euclidean length of the step whose effect CURVATURE measures (as for CIFAR in AdvRush)."""


class HalvesGraph:
    """HALVES, and the two passes that go on from its first half.

    These forwards are kept apart from that of LOSS, whose layers take other forms when second
    derivatives are wanted: what reads these passes has the same value, whatever else is wanted.

    Parameters
    ----------
    network
        The network, inside :func:`models.proxies.state.preserved`.
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
        network: nn.Module,
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
        self._labels = self._records.labels[:half]

        def keep(_module: nn.Module, out: Tensor) -> None:
            if out.grad_fn is not None:
                self._rectifiers.append(out.grad_fn)

        rectifiers = [m for m in self._network.modules() if isinstance(m, RECTIFIERS)]
        keeping = captured(rectifiers, keep) if self._rectifier_observers else nullcontext()
        with watched(self._network, self._observers), keeping:
            logits = self._network(self._first)
        loss = functional.cross_entropy(logits, self._labels)
        *gradients, self._image_gradient = torch.autograd.grad(
            loss,
            [*self._records.weights, self._first],
            retain_graph=keep_graph,
            materialize_grads=True,
        )
        self._logits = logits if keep_graph else None

        def show(_module: nn.Module, out: Tensor) -> None:
            for observer in second:
                observer.on_second_activation(out.detach())

        second = overriding(self._observers, "on_second_activation")
        with captured(rectifiers, show) if second else nullcontext():
            logits = self._network(self._images[half:])
        other = functional.cross_entropy(logits, self._records.labels[half:])
        others = torch.autograd.grad(other, self._records.weights, materialize_grads=True)
        self._records.half_gradients = (gradients, [*others])

    def logits(self) -> None:
        """Go back from the first half's summed logits to the weights."""
        assert self._logits is not None  # noqa: S101 - halves(keep_graph=True) came first

        def on_node(gradients: Sequence[Tensor | None], _outputs: Sequence[Tensor | None]) -> None:
            for observer in self._rectifier_observers:
                if gradients[0] is not None:
                    observer.on_input_gradient(gradients[0].detach())

        with hooked([node.register_hook(on_node) for node in self._rectifiers]):
            self._records.logit_gradients = [
                *torch.autograd.grad(
                    self._logits.sum(),
                    self._records.weights,
                    retain_graph=True,
                    materialize_grads=True,
                )
            ]

    def curvature(self) -> None:
        """Measure how much each image's gradient changes over a step along its own sign."""
        gradient = self._image_gradient
        direction = gradient.sign()
        length = direction.flatten(1).norm(dim=1).clamp_min(1)  # an image without gradient stays
        step = STEP * direction / length[:, None, None, None]
        moved = (self._first.detach() + step).requires_grad_(True)
        loss = functional.cross_entropy(self._network(moved), self._labels)
        (after,) = torch.autograd.grad(loss, [moved], materialize_grads=True)
        # The loss is a mean; what is measured is the gradient of each image's own loss.
        change = (after - gradient).flatten(1).norm(dim=1) * len(moved) / STEP
        self._records.curvature = change.mean()
