"""LOSS, JACOBIAN and HESSIAN: one forward, and three ways back."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor
from torch.nn import functional

from acorn.proxies._engine.records import Records
from acorn.proxies._engine.registry import Observer
from acorn.proxies._math.convolution import Wanted
from acorn.proxies._math.second_order import cheap_second_derivatives
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._passes.watch import watched


class LossGraph:
    """LOSS, and the two passes that go back over its graph.

    Parameters
    ----------
    network
        The network.
    images
        ``(batch, 3, h, w)``.
    records
        Where the results go.
    observers
        Proxies that watch the layers go by.
    """

    def __init__(
        self,
        network: MeasuredNetwork,
        images: Tensor,
        records: Records,
        observers: Sequence[Observer],
    ) -> None:
        self._network = network
        self._images = images.detach().requires_grad_(True)
        self._records = records
        self._observers = observers
        self._logits: Tensor | None = None

    def loss(self, *, keep_graph: bool, differentiable: bool) -> None:
        """Run forward and backward of the cross-entropy; watched layers report on the way."""
        cheap = cheap_second_derivatives(self._network) if differentiable else nullcontext(Wanted())
        with watched(self._network, self._observers):
            with cheap as self._wanted:
                logits = self._network(self._images)
            loss = functional.cross_entropy(logits, self._records.labels)
            self._gradients = self._gradient(
                loss, keep_graph=keep_graph or differentiable, differentiable=differentiable
            )
        self._logits = logits if keep_graph else None
        self._records.gradients = [gradient.detach() for gradient in self._gradients]

    def jacobian(self) -> None:
        """Go back from the summed logits to the images, over the graph of :meth:`loss`."""
        logits, self._logits = self._logits, None  # the graph now lives on in HESSIAN's only
        assert logits is not None  # noqa: S101 - loss(keep_graph=True) came first
        self._wanted.weights = False
        (jacobian,) = torch.autograd.grad(
            logits.sum(), [self._images], retain_graph=True, materialize_grads=True
        )
        self._wanted.weights = True
        self._records.jacobian = jacobian.flatten(1)

    def hessian(self) -> None:
        """Go back through the gradient, in its own direction, and let the graph go."""
        gradients, self._gradients = self._gradients, ()
        pairs = zip(gradients, self._records.gradients, strict=True)
        product = torch.stack([(g * fixed).sum() for g, fixed in pairs]).sum()
        self._records.hessian_gradients = list(
            torch.autograd.grad(product, self._records.weights, materialize_grads=True)
        )

    def _gradient(
        self, loss: Tensor, *, keep_graph: bool, differentiable: bool
    ) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            loss,
            self._records.weights,
            retain_graph=keep_graph,
            create_graph=differentiable,
            materialize_grads=True,
        )
