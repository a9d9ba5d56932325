"""The network that passes measure: a replica, and what its first forward shows."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.utils.hooks import RemovableHandle

from acorn.errors import InputError, one_line
from acorn.graph.modes import evaluating, transparent_attention
from acorn.graph.recorder import Recorder
from acorn.graph.replica import named_modules_of, replicate
from acorn.proxies._network.custom_functions import ACTIVATIONS, CustomFunctions, recognise
from acorn.proxies._network.flat_memory import TensorCopies
from acorn.proxies._network.operations import NORMS, WEIGHTED, Operation, OperationKind, Operations
from acorn.proxies._network.outputs import only_logits
from acorn.proxies._network.watch_modules import Inputs, ModuleCalls, hooked

LONGEST_REASON = 200
"""Characters of what an error of the network's says."""

WeightedModule = _ConvNd | nn.Linear

Images = Float[Tensor, "batch channels height width"]


@dataclass(eq=False, repr=False, slots=True)
class WeightedLayer:
    """A convolution or linear layer that runs, as a module or as a call of a function.

    Attributes
    ----------
    name
        Of the weight, in the network.
    weight
        The parameter, ``(out, in / groups, ...)``.
    bias
        Its bias.
    module
        The layer's module; None where the weight is a parameter that is given to a function.
    computed
        Whether the layer computes the weight that it uses from ``weight`` (weight
        standardisation): its output is then its module's.
    """

    name: str
    weight: nn.Parameter
    bias: nn.Parameter | None = None
    module: WeightedModule | None = None
    computed: bool = False


@dataclass(slots=True)
class _Observed:
    """What the first forward showed, by identity of tensors and modules."""

    read: set[int] = field(default_factory=set)  # parameters that any function was given
    calls: dict[int, Operation] = field(default_factory=dict)  # by weight
    normed: dict[int, Operation] = field(default_factory=dict)  # norms and PReLU, by weight
    scales: dict[int, nn.Parameter] = field(default_factory=dict)  # that activations multiply
    homes: dict[int, nn.Module] = field(default_factory=dict)  # the module that made the call
    computing: set[nn.Module] = field(default_factory=set)  # modules with computed weights
    entered: set[nn.Module] = field(default_factory=set)
    plain: dict[nn.Module, Tensor] = field(default_factory=dict)  # input of what may be activations


class MeasuredNetwork:
    """A network that may be run in any way, since nobody else has it.

    Batch normalisation is by the batch and running statistics stay as they are; all parameters
    want gradients; the outermost module returns its logits alone.

    Parameters
    ----------
    network
        The user's, which is only read.
    device
        Where the replica is put; by default where the network is.

    Attributes
    ----------
    module
        The replica.
    operations
        Sees each operation of a forward.
    functions
        Computes the network's own autograd functions.
    sizes
        By identity of a parameter: the sum of absolute values that one of its rows has on average.
        Of those that have it from the user's network; it was worked out where that network is.
    layers
        Convolutions and linear layers that run, each weight once, in the order of registration;
        after :meth:`survey`.
    """

    def __init__(self, network: nn.Module, device: torch.device | None = None) -> None:
        copies = TensorCopies(network, device)
        self.module = replicate(network, copies)
        self.sizes = copies.sizes_of(self.module)
        self.operations = Operations()
        self.functions = CustomFunctions()
        self.layers: list[WeightedLayer] = []
        self.recorder: Recorder | None = None
        self._functional: dict[nn.Module, list[WeightedLayer]] = {}
        self._observed = _Observed()
        self._double: MeasuredNetwork | None = None
        self.module.register_forward_hook(only_logits)
        self.module.train()
        for module in self.module.modules():
            if isinstance(module, _BatchNorm):
                module.track_running_stats = False
        for parameter in self.module.parameters():
            if parameter.is_floating_point():
                parameter.requires_grad_(True)

    def __call__(self, images: Images, *, share_rectifiers: bool = True) -> Tensor:
        """Compute the logits, every operation watched.

        Parameters
        ----------
        images
            ``(batch, channels, height, width)``.
        share_rectifiers
            Whether rectifiers of the same tensor are computed once.
        """
        with self.operations, self.operations.sharing(share_rectifiers):
            logits: Tensor = self.module(images)
        return logits

    @property
    def norms(self) -> list[Operation]:
        """One call of each norm that has parameters of its own."""
        return [call for call in self._observed.normed.values() if call.kind in NORMS]

    @property
    def scales(self) -> list[nn.Parameter]:
        """Parameters that activations are multiplied with, element by element."""
        return [*self._observed.scales.values()]

    @property
    def weights(self) -> list[Tensor]:
        """Weight of each of :attr:`layers`."""
        return [layer.weight for layer in self.layers]

    @torch.no_grad()
    def survey(self, images: Images, num_classes: int, *, record: bool) -> None:
        """Run one image, in evaluation mode, and note what runs.

        Parameters
        ----------
        images
            ``(batch, channels, height, width)``; the first is taken, or the first two where one
            does not do.
        num_classes
            Expected width of the logits.
        record
            Whether to keep the layer graph, in :attr:`recorder`.

        Raises
        ------
        InputError
            When the forward fails, when its output is not one row of logits an image, and for a
            layer whose weight is no parameter.
        """
        try:
            logits = self._first_forward(images[:1], record=record)
        except Exception:  # a forward may raise anything
            twice = images[:2] if len(images) > 1 else images.expand(2, *images.shape[1:])
            try:
                logits = self._first_forward(twice, record=record)
            except Exception as error:  # a forward may raise anything
                raise InputError(
                    f"got {type(self.module).__name__} whose forward fails on images "
                    f"{tuple(images.shape)}: {said(error)}; expected a module that maps one batch "
                    "of images to logits"
                ) from error
        if self.functions.changed or self._replace_activations():
            self.functions.changed = False
            self.survey(images, num_classes, record=record)
            return
        if logits.dim() != 2 or logits.shape[1] != num_classes:
            raise InputError(
                f"got logits of shape {tuple(logits.shape)} for {len(logits)} images; "
                f"expected ({len(logits)}, {num_classes}), one a class"
            )
        self.layers = self._find_layers()
        self._functional = {}
        for layer in self.layers:
            home = self._observed.homes.get(id(layer.weight))
            if layer.module is None and home is not None:
                self._functional.setdefault(home, []).append(layer)

    def _first_forward(self, images: Images, *, record: bool) -> Tensor:
        """Run once, watched; the last run is what counts."""
        self._observed = seen = _Observed()
        self.functions.opaque.clear()
        parameters = {id(parameter) for parameter in self.module.parameters()}
        calls = ModuleCalls()

        def read(arguments: Sequence[object]) -> None:
            for argument in arguments:
                if isinstance(argument, Tensor):
                    if id(argument) in parameters:
                        seen.read.add(id(argument))
                elif isinstance(argument, list | tuple):
                    read(argument)

        def multiplied(operation: Operation, _out: Tensor) -> None:
            for argument in (operation.input, operation.arguments.get("other")):
                whole = getattr(argument, "_base", None)
                for parameter in (argument, argument if whole is None else whole):
                    if isinstance(parameter, nn.Parameter):
                        seen.scales[id(parameter)] = parameter

        def weighted(operation: Operation, _out: Tensor) -> None:
            home = calls.innermost
            if id(operation.weight) in parameters:
                seen.calls[id(operation.weight)] = operation
                if home is not None:
                    seen.homes[id(operation.weight)] = home
            elif home is not None:
                seen.computing.add(home)

        def other(operation: Operation, _out: Tensor) -> None:
            if id(operation.weight) in parameters:
                seen.normed[id(operation.weight)] = operation

        def left(module: nn.Module, given: Inputs, output: object) -> None:
            if not _may_be_activation(module) or len(given) != 1:
                return
            (x,) = given
            if isinstance(x, Tensor) and isinstance(output, Tensor) and x.shape == output.shape:
                seen.plain[module] = x

        observations = {
            **dict.fromkeys(WEIGHTED, weighted),
            **dict.fromkeys((*NORMS, OperationKind.RECTIFIER), other),
            OperationKind.PRODUCT: multiplied,
        }
        x = images.detach().clone()
        recorder = Recorder(x, dict(self.module.named_parameters())) if record else None
        with (
            evaluating(self.module.modules()),
            transparent_attention(),
            calls.following(self.module, entered=seen.entered.add, left=left),
            self.operations.observing(observations),
            self.operations.showing_arguments(read),
            recorder or nullcontext(),
        ):
            logits = self(x, share_rectifiers=False)
        for operation in (*seen.calls.values(), *seen.normed.values()):
            operation.arguments.pop("input", None)  # whose memory is free then
        for module in seen.entered:  # functions that nothing can watch read all that there is
            own = {id(parameter) for parameter in module.parameters(recurse=False)}
            if not own & seen.read:
                seen.read |= own
        if recorder is not None:
            recorder.finish(logits)
            self.recorder = recorder
        return logits

    def _replace_activations(self) -> bool:
        """Put torch's activation in place of a module that computes one in its own way."""
        changed = False
        plain, self._observed.plain = self._observed.plain, {}
        for module, given in plain.items():
            activation = ACTIVATIONS.get(recognise(module, given) or "")
            if activation is not None:
                module.forward = activation
                changed = True
        return changed

    def _find_layers(self) -> list[WeightedLayer]:
        seen = self._observed
        modules: dict[int, WeightedModule] = {}
        for name, module in named_modules_of(self.module):
            if isinstance(module, WeightedModule):
                if not isinstance(module.weight, nn.Parameter):
                    raise InputError(
                        f"got {name} whose weight is no parameter but computed; expected a "
                        "parameter, or one of torch.nn.utils.parametrizations"
                    )
                modules.setdefault(id(module.weight), module)
        layers = []
        for name, parameter in self.module.named_parameters():
            owner = modules.get(id(parameter))
            call = seen.calls.get(id(parameter))
            if id(parameter) not in seen.read or (owner is None and call is None):
                continue
            bias = owner.bias if owner is not None else call.bias if call is not None else None
            layers.append(
                WeightedLayer(
                    name,
                    parameter,
                    bias if isinstance(bias, nn.Parameter) else None,
                    owner,
                    computed=call is None and owner in seen.computing,
                )
            )
        return layers

    def functional_layers(self, module: nn.Module) -> list[WeightedLayer]:
        """Layers without a module of their own that this module calls itself."""
        return self._functional.get(module, [])

    def runs(self, module: nn.Module) -> bool:
        """Tell whether the forward calls this module, or reads one of its own parameters."""
        own = (id(parameter) for parameter in module.parameters(recurse=False))
        return module in self._observed.entered or any(key in self._observed.read for key in own)

    def count_layers(self) -> int:
        """Count the modules that own parameters which the forward reads.

        A function that is given its parameters counts like a module.
        """
        owners: dict[int, object] = {}
        for module in self.module.modules():
            for parameter in module.parameters(recurse=False):
                owners.setdefault(id(parameter), module)
        calls = self._observed.calls | self._observed.normed
        for operation in calls.values():
            owner = owners.get(id(operation.weight))
            if owner is not None and not type(owner).__module__.startswith("torch.nn."):
                owners |= {id(operation.weight): operation, id(operation.bias): operation}
        return len({id(owners[key]) for key in self._observed.read if key in owners})

    @contextmanager
    def showing_layers(
        self, see: Callable[[WeightedLayer, Tensor], Tensor | None]
    ) -> Iterator[None]:
        """Show the output of each of :attr:`layers` while inside, at each use.

        What ``see`` returns, if anything, takes the output's place.
        """
        by_weight = {id(layer.weight): layer for layer in self.layers if not layer.computed}
        handles: list[RemovableHandle] = []

        def weighted(operation: Operation, out: Tensor) -> Tensor | None:
            layer = by_weight.get(id(operation.weight))
            return None if layer is None else see(layer, out)

        with self.operations.observing(dict.fromkeys(WEIGHTED, weighted)), hooked(handles):
            handles.extend(
                layer.module.register_forward_hook(_shown_by(see, layer))
                for layer in self.layers
                if layer.computed and layer.module is not None
            )
            yield

    def double(self) -> "MeasuredNetwork":
        """Give the same network in double precision, made at the first call.

        Tensors that the forward keeps outside parameters and buffers are converted as well.
        """
        if self._double is None:
            other = copy.copy(self)
            other.module = replicate(self.module, _to_double)
            other._double = other
            parameters = dict(other.module.named_parameters())
            modules = dict(zip(self.module.modules(), other.module.modules(), strict=True))
            other.layers = [
                replace(
                    layer,
                    weight=parameters[layer.name],
                    module=cast(WeightedModule | None, modules.get(cast(nn.Module, layer.module))),
                )
                for layer in self.layers
            ]
            self._double = other
        return self._double

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let no parameter want a gradient while inside, so that graphs keep less."""
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        try:
            for parameter in parameters:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter in parameters:
                parameter.requires_grad_(True)

    @contextmanager
    def with_values(self, values: Iterable[tuple[Tensor, Tensor]] = ()) -> Iterator[None]:
        """Give parameters other values while inside: pairs of a parameter and its value.

        All parameters have the values of before afterwards, those that :meth:`set_values` wrote
        inside as well.
        """
        before = [(parameter, parameter.data) for parameter in self.module.parameters()]
        try:
            self.set_values(values)
            yield
        finally:
            self.set_values(before)

    @staticmethod
    def set_values(values: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Let parameters hold values, which are not copied; graphs keep the values of before."""
        for parameter, value in values:
            parameter.data = value


def _may_be_activation(module: nn.Module) -> bool:
    """Tell whether a module is of the user's own kind, and has neither parts nor parameters."""
    return (
        not type(module).__module__.startswith("torch.")
        and "forward" not in vars(module)
        and next(module.children(), None) is None
        and next(module.parameters(), None) is None
    )


def said(error: BaseException) -> str:
    """Put what an error says on one line of readable length."""
    line = one_line(error)
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"


def _shown_by(
    see: Callable[[WeightedLayer, Tensor], Tensor | None], layer: WeightedLayer
) -> Callable[[nn.Module, Inputs, object], Tensor | None]:
    def after(_module: nn.Module, _inputs: Inputs, out: object) -> Tensor | None:
        return see(layer, out) if isinstance(out, Tensor) else None

    return after


def _to_double(tensor: Tensor) -> Tensor:
    dtype = torch.float64 if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to(dtype, copy=True)
