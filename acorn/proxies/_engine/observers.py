"""Observers: what sees a pass layer by layer, and how a pass shows itself."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from acorn.proxies._engine.records import Records
from acorn.proxies._math.channel_correlation import ChannelCorrelations
from acorn.proxies._network.measured import MeasuredNetwork, WeightedModule
from acorn.proxies._network.operations import NORMS, WEIGHTED, Kept, Operation, OperationKind
from acorn.proxies._network.watch_modules import Inputs, ModuleCalls, hooked

_UNITS = (
    *WEIGHTED,
    *NORMS,
    OperationKind.RECTIFIER,
    OperationKind.HARD_SIGMOID,
    OperationKind.UNIT,
)
"""Kinds of operations for which torch has a layer."""


class Observer:
    """Sees a pass layer by layer, so that few activations have to be kept.

    An observer keeps tensors of several layers, and reduces them together; see
    :class:`acorn.proxies._math.deferred.Deferred`. A proxy that needs activations subclasses this
    and overrides the methods for what it wants to see. The engine makes one instance per network
    and shows it the passes that the proxy reads. If one of the methods raises, the observer is
    shown nothing more, and its proxy has no value.

    Attributes
    ----------
    seed : int
        Seed of the run.
    keep : callable
        Keeps a tensor's values, also if the forward at hand writes to the tensor later.
    correlations : ChannelCorrelations
        Correlations of the outputs of SAMPLE, which its observers share.
    failure : str or None
        Why the observer is shown nothing more.
    statistics : frozenset of str
        Statistics of layers that the observer reads, for LAYERS.
    """

    statistics: ClassVar[frozenset[str]] = frozenset()

    seed: int
    keep: Callable[[Tensor], Kept]
    correlations: ChannelCorrelations
    failure: str | None = None

    def join(
        self, seed: int, keep: Callable[[Tensor], Kept], correlations: ChannelCorrelations
    ) -> None:
        """Set the attributes that the observers of one run share."""
        self.seed, self.keep, self.correlations = seed, keep, correlations

    def on_activation(self, output: Float[Tensor, "batch ..."]) -> None:
        """See the output of a rectifier, in a forward."""

    def on_second_activation(self, output: Float[Tensor, "batch ..."]) -> None:
        """See the output of a rectifier on the second half of HALVES, in the order of the first."""

    def on_gradient(
        self,
        operation: Operation,
        output: Float[Tensor, "batch ..."],
        gradient: Float[Tensor, "batch ..."],
    ) -> None:
        """See the output and gradient of a convolution or linear layer, in the backward of LOSS."""

    def on_operation(self, operation: Operation, output: Float[Tensor, "batch ..."]) -> None:
        """See the output of a layer, norm or rectifier, in the first forward of HALVES."""

    def on_output(self, output: Float[Tensor, "..."]) -> None:
        """See the output of any module, containers included, in a forward."""

    def on_input_gradient(self, gradient: Float[Tensor, "batch ..."]) -> None:
        """See the gradient at the input of a rectifier, in the backward of LOGITS."""

    def on_draw(self) -> None:
        """See that the next draw of REDRAWN begins."""

    def restart(self) -> None:
        """Forget everything: the pass begins again."""
        self.correlations.clear()
        self.__init__()  # type: ignore[misc]
        self.failure = None

    def reduce(self) -> None:
        """Reduce the tensors that are kept: a pass ends, and the network's memory may change."""

    def finish(self, records: Records) -> None:
        """Add matrices to ``records.spectra`` when all passes are done, before :meth:`value`."""

    def value(self, records: Records) -> Tensor | float:
        """Compute the proxy's value, or one value a draw, when all passes are done."""
        raise NotImplementedError

    def conclude(self, numbers: list[float]) -> list[float]:
        """Compute one value a draw from the numbers of :meth:`value`, off the device."""
        return numbers

    def read(self, records: Records) -> Tensor | float:
        """Return :meth:`value`, or raise a ValueError with :attr:`failure`."""
        if self.failure is not None:
            raise ValueError(self.failure)
        return self.value(records)


@contextmanager
def watched(network: MeasuredNetwork, observers: Iterable[Observer]) -> Iterator[None]:
    """Let observers see activations, operations, outputs and gradients while inside.

    Only what some observer overrides is watched. Gradients come from backwards inside.
    """
    watchers = [*observers]
    operations = network.operations
    of_activation = overriding(watchers, "on_activation")
    of_gradient = overriding(watchers, "on_gradient")
    of_operation = overriding(watchers, "on_operation")
    of_output = overriding(watchers, "on_output")

    def rectified(_operation: Operation, out: Tensor) -> None:
        show(of_activation, "on_activation", out.detach())

    def weighted(operation: Operation, out: Tensor) -> None:
        if out.requires_grad:
            kept = operations.keep(out.detach())

            def on_gradient(gradient: Tensor) -> None:
                show(of_gradient, "on_gradient", operation, kept.tensor, gradient.detach())

            handles.append(out.register_hook(on_gradient))

    def computed(operation: Operation, out: Tensor) -> None:
        show(of_operation, "on_operation", operation, out.detach())

    handles: list[RemovableHandle] = []  # on tensors of a graph that later passes go back over
    with ExitStack() as stack:
        stack.enter_context(hooked(handles))
        if of_activation:
            stack.enter_context(operations.observing({OperationKind.RECTIFIER: rectified}))
        if of_gradient:
            stack.enter_context(operations.observing(dict.fromkeys(WEIGHTED, weighted)))
        if of_operation:
            kinds = (*WEIGHTED, *NORMS, OperationKind.RECTIFIER)
            stack.enter_context(operations.observing(dict.fromkeys(kinds, computed)))
        if of_output:
            stack.enter_context(_outputs(network, of_output))
        yield
    show(watchers, "reduce")


@contextmanager
def _outputs(network: MeasuredNetwork, observers: Iterable[Observer]) -> Iterator[None]:
    """Show the output of every module, and of functions called where a layer might stand.

    A function counts as the layer that torch has for it, so a network has the same outputs however
    it is written. A layer of the user's own that makes one such call counts once.
    """
    watchers = [*observers]
    calls = ModuleCalls()
    made: list[list[Tensor]] = []  # for each running module, what its own calls gave

    def entered(_module: nn.Module) -> None:
        made.append([])

    def computed(_operation: Operation, out: Tensor) -> None:
        module = calls.innermost
        if module is None or _is_layer(module):
            return  # its module shows it
        made[-1].append(out)
        show(watchers, "on_output", out.detach())

    def left(module: nn.Module, _inputs: Inputs, out: object) -> None:
        own = made.pop()
        once = len(own) == 1 and own[0] is out and next(module.children(), None) is None
        if isinstance(out, Tensor) and not once:
            show(watchers, "on_output", out.detach())

    with (
        calls.following(network.module, entered=entered, left=left),
        network.operations.observing(dict.fromkeys(_UNITS, computed)),
    ):
        yield


def _is_layer(module: nn.Module) -> bool:
    """Tell whether a module is one of torch's layers, or derived from a weighted one."""
    if next(module.children(), None) is not None:
        return False
    torch_s_own = type(module).__module__.startswith("torch.nn.")
    return torch_s_own or isinstance(module, WeightedModule)


def show(observers: Iterable[Observer], method: str, *what: object) -> None:
    """Call a method of observers; the failure of one costs its own proxy only, not the pass."""
    with torch._C.DisableTorchFunction():  # what observers compute is not the network's
        for observer in observers:
            if observer.failure is None:
                try:
                    getattr(observer, method)(*what)
                except torch.OutOfMemoryError:
                    raise
                except Exception as error:  # a layer may be anything
                    observer.failure = f"{method}: {error}"


def overriding(observers: Iterable[Observer], method: str) -> list[Observer]:
    """Keep the observers that override a method of :class:`Observer`."""
    return [o for o in observers if getattr(type(o), method) is not getattr(Observer, method)]
