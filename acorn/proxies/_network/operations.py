"""Watch and replace a network's operations while it runs, whoever calls them.

``nn.ReLU()``, ``F.relu(x)`` and ``x.relu_()`` are one operation written in three ways. A mode over
torch's functions sees all of them, so a proxy's value does not depend on the way.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

Function = Callable[..., Any]


class OperationKind(StrEnum):
    """What an operation is to the proxies."""

    CONVOLUTION = "convolution"
    LINEAR = "linear"
    BATCH_NORM = "batch_norm"
    LAYER_NORM = "layer_norm"
    GROUP_NORM = "group_norm"
    INSTANCE_NORM = "instance_norm"
    RMS_NORM = "rms_norm"
    RECTIFIER = "rectifier"  # an activation that keeps or drops its input by its sign
    HARD_SIGMOID = "hard_sigmoid"
    SOFTMAX = "softmax"
    ATTENTION = "attention"  # scaled dot-product attention as one call
    OTHER_NORM = "other_norm"  # a division by a norm, without parameters
    PRODUCT = "product"  # element by element
    UNIT = "unit"  # any other for which torch has a layer: pooling, dropout, sigmoid, ...


WEIGHTED = (OperationKind.CONVOLUTION, OperationKind.LINEAR)
NORMS = (
    OperationKind.BATCH_NORM,
    OperationKind.LAYER_NORM,
    OperationKind.GROUP_NORM,
    OperationKind.INSTANCE_NORM,
    OperationKind.RMS_NORM,
)

NORMALISATIONS = (*NORMS, OperationKind.OTHER_NORM)
"""All that bring activations back to one size."""

_CHANNELS_LAST = (OperationKind.LINEAR, OperationKind.LAYER_NORM, OperationKind.RMS_NORM)


@dataclass(frozen=True, slots=True)
class _Role:
    """An operation's kind, and the names of its arguments in order."""

    kind: OperationKind
    names: tuple[str, ...] = ("input",)


@dataclass(slots=True)
class Operation:
    """One call of a function of torch's.

    Attributes
    ----------
    kind
        What it is.
    function
        What was called.
    arguments
        Its arguments by name, those that were left out missing.
    """

    kind: OperationKind
    function: Function
    arguments: dict[str, Any]

    @property
    def input(self) -> Tensor:
        """What it is applied to."""
        tensor: Tensor = self.arguments["input"]
        return tensor

    @property
    def weight(self) -> Tensor | None:
        """Its weight: a parameter, or what the network computed from one."""
        return self.arguments.get("weight")

    @property
    def bias(self) -> Tensor | None:
        """Its bias."""
        return self.arguments.get("bias")

    @property
    def eps(self) -> float:
        """A norm's epsilon."""
        return float(self.arguments.get("eps", 1e-5))

    @property
    def channel_axis(self) -> int:
        """Axis of the channels in its output: the last one, or the second."""
        return -1 if self.kind in _CHANNELS_LAST else 1

    @property
    def normalises_by_batch(self) -> bool:
        """Whether it is a batch normalisation by the statistics of the batch at hand."""
        return self.kind is OperationKind.BATCH_NORM and bool(self.arguments.get("training"))


Replacement = Callable[[Operation], Tensor | None]
"""Computes an operation in another way; None leaves it as it is."""

Observation = Callable[[Operation, Tensor], Tensor | None]
"""Sees an operation's output, and may hand on another tensor in its place."""


@dataclass(slots=True)
class Kept:
    """A tensor with the values that it had when it was kept."""

    tensor: Tensor


class Operations(TorchFunctionMode):
    """Sees every function of torch's that is called inside, and knows what to do about some.

    Whatever is registered, every forward is computed as the user's layers are written, but that

    - batch normalisation by the batch leaves running statistics alone, and takes a single value a
      channel (which it maps to zero) where torch refuses it;
    - a strided 1x1 convolution of few channels reads every n-th pixel and has stride 1: in the
      channels-last layout the gradient of its weight writes past its memory (oneDNN issue 6035);
    - autocast is off: a network is measured in the precision of its weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self._observations: dict[OperationKind, list[Observation]] = defaultdict(list)
        self._replacements: dict[OperationKind, Replacement] = {}
        self._on_result: list[Callable[[Tensor], None]] = []
        self._on_arguments: Callable[[Sequence[object]], None] | None = None
        self._kept: dict[int, list[Kept]] = defaultdict(list)
        self._rectified: WeakTensorKeyDictionary | None = None  # results, by input
        self._write = False  # whether any function that showed its arguments writes in place

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Compute one call."""
        kwargs = kwargs or {}
        if torch._C._is_any_autocast_enabled():
            autocast_off()
        if self._on_arguments is not None:
            self._on_arguments((*args, *kwargs.values()))
            self._write = self._write or _writes(func, args, kwargs)
        if self._kept and _writes(func, args, kwargs):
            self._save(args[0] if args else kwargs.get("input"))
        if func is functional.multi_head_attention_forward:
            with self:  # what it calls is seen as well
                return _open_attention()(*args, **kwargs)
        role = _role(func, args, kwargs)
        if role is None or (role.kind in NORMS and _is_of_weights(args, kwargs)):
            result = func(*args, **kwargs)
        else:
            operation = Operation(
                role.kind, func, dict(zip(role.names, args, strict=False)) | kwargs
            )
            result = self._compute_once(operation, args, kwargs)
            for observe in self._observations.get(role.kind, ()):
                other = observe(operation, result)
                result = result if other is None else other
        if self._on_result and isinstance(result, Tensor):
            for see in self._on_result:
                see(result)
        return result

    def _compute_once(self, operation: Operation, args: Any, kwargs: Any) -> Any:
        """Compute an operation, or give the result of an equal rectifier of the same tensor."""
        results = self._rectified
        if results is None or not is_plain_rectifier(operation):
            return self._compute(operation, args, kwargs)
        version = (operation.input._version, torch.is_grad_enabled())
        before, result = results.get(operation.input, (None, None))
        if before != version:
            result = self._compute(operation, args, kwargs)
            results[operation.input] = (version, result)
        return result

    def _compute(self, operation: Operation, args: Any, kwargs: Any) -> Any:
        replace = self._replacements.get(operation.kind)
        result = replace(operation) if replace is not None else None
        if result is not None:
            return result
        if operation.kind is OperationKind.BATCH_NORM:
            return _batch_norm(operation)
        if operation.function is torch.conv2d:
            arguments = safe_arguments(operation)
            if arguments is not operation.arguments:
                return torch.conv2d(**arguments)
        return operation.function(*args, **kwargs)

    def _save(self, target: object) -> None:
        """Copy what was kept of a tensor that is about to be written to."""
        if isinstance(target, Tensor):
            for kept in self._kept.pop(_storage(target), ()):
                kept.tensor = kept.tensor.clone()

    def bypass(self, operation: Operation) -> Tensor:
        """Put the identity in place of an operation.

        In a network that writes in place it gives a tensor of its own, like the operation's.
        """
        return operation.input.clone() if self._write else operation.input

    def keep(self, tensor: Tensor) -> Kept:
        """Keep a tensor's values, also if the forward at hand writes to it later."""
        kept = Kept(tensor)
        self._kept[_storage(tensor)].append(kept)
        return kept

    @contextmanager
    def sharing(self, wanted: bool) -> Iterator[None]:
        """Compute rectifiers of the same tensor once while inside, if that is wanted.

        Cells apply one to each of their edges. In a network that writes in place, each has a result
        of its own.
        """
        self._rectified = WeakTensorKeyDictionary() if wanted and not self._write else None
        try:
            yield
        finally:
            self._rectified = None

    @contextmanager
    def observing(self, observations: Mapping[OperationKind, Observation]) -> Iterator[None]:
        """Show the outputs of operations of these kinds while inside."""
        for kind, observe in observations.items():
            self._observations[kind].append(observe)
        try:
            yield
        finally:
            for kind, observe in observations.items():
                self._observations[kind].remove(observe)
                if not self._observations[kind]:
                    del self._observations[kind]
            self._kept.clear()

    @contextmanager
    def replacing(self, replacements: Mapping[OperationKind, Replacement]) -> Iterator[None]:
        """Compute operations of these kinds in another way while inside."""
        before = self._replacements
        self._replacements = before | dict(replacements)
        try:
            yield
        finally:
            self._replacements = before

    @contextmanager
    def showing_results(self, see: Callable[[Tensor], None]) -> Iterator[None]:
        """Show every tensor that a function returns while inside."""
        self._on_result.append(see)
        try:
            yield
        finally:
            self._on_result.remove(see)

    @contextmanager
    def showing_arguments(self, see: Callable[[Sequence[object]], None]) -> Iterator[None]:
        """Show the arguments of every function that is called while inside."""
        self._on_arguments = see
        try:
            yield
        finally:
            self._on_arguments = None


def autocast_off() -> None:
    """Turn autocast off in this thread; a context that turned it on restores what was before."""
    for device in ("cpu", "cuda"):
        if torch.is_autocast_enabled(device):
            torch.set_autocast_enabled(device, False)


def safe_arguments(operation: Operation) -> dict[str, Any]:
    """Give a convolution's arguments, or those of an equal one whose kernel is safe.

    A strided 1x1 convolution of few channels becomes one of stride 1 on every n-th pixel. Which
    ones are not safe was found by trying.
    """
    weight, x, arguments = operation.weight, operation.input, operation.arguments
    strides = per_axis(arguments.get("stride", 1), x.dim() - 2)
    unsafe = (
        weight is not None
        and x.dim() == 4
        and max(strides) > 1
        and weight.shape[2:] == (1, 1)
        and weight.shape[1] < SMALLEST_BLOCK
        and arguments.get("groups", 1) == 1
        and arguments.get("padding", 0) in (0, (0, 0), [0, 0], "valid")
    )
    if not unsafe:
        return arguments
    rows, columns = strides
    return arguments | {"input": x[..., ::rows, ::columns], "stride": 1, "padding": 0}


SMALLEST_BLOCK = 16
"""Channels from which on oneDNN uses another kernel."""


def per_axis(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """Repeat a convolution's stride, padding or dilation for each axis."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * axes if len(numbers) == 1 else numbers


def is_plain_rectifier(operation: Operation) -> bool:
    """Tell whether an operation is max(x, 0), with a result in memory of its own."""
    return operation.function in _RELU and not operation.arguments.get("inplace")


def _batch_norm(operation: Operation) -> Tensor:
    """Call the kernel itself: torch's function allocates a tensor that only cuDNN uses."""
    by_batch = operation.normalises_by_batch
    mean, variance = (operation.arguments.get(f"running_{name}") for name in ("mean", "var"))
    return torch.native_batch_norm(
        operation.input, operation.weight, operation.bias,
        None if by_batch else mean, None if by_batch else variance, by_batch, 0.0, operation.eps,
    )[0]  # fmt: skip


def _is_of_weights(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Tell whether a norm standardises a weight, and no activation."""
    x = args[0] if args else kwargs.get("input")
    base = x._base if isinstance(x, Tensor) else None
    return isinstance(x, nn.Parameter) or isinstance(base, nn.Parameter)


@cache
def _open_attention() -> Function:
    """Give torch's multi-head attention as a function whose own calls can be seen.

    It hands itself over to a mode as a whole, and would do so again inside of it; this copy takes
    its arguments for ordinary tensors, which they are.
    """
    function = functional.multi_head_attention_forward
    known = {"has_torch_function": lambda _: False, "has_torch_function_unary": lambda _: False}
    return FunctionType(
        function.__code__,
        function.__globals__ | known,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _writes(func: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Tell whether a call writes to its first argument."""
    always, place = _in_place(func)
    if always:
        return True
    if place is None:
        return False
    return bool(args[place] if len(args) > place else kwargs.get("inplace"))


_WRITING = frozenset(
    ("__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__", "__iand__", "__ior__",
     "__setitem__")
)  # fmt: skip


@cache
def _in_place(func: Function) -> tuple[bool, int | None]:
    """Tell whether a function always writes, and which argument says that it does."""
    name = getattr(func, "__name__", "")
    if name in _WRITING or (name.endswith("_") and not name.startswith("__")):
        return True, None
    code = getattr(func, "__code__", None)  # of torch's functions in Python
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    return False, names.index("inplace") if "inplace" in names else None


def _role(func: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> _Role | None:
    role = _ROLES.get(func)
    if role is None or role not in (_CLAMP, _HARD_TANH):
        return role
    # max(x, 0), and at most with an upper bound, is a rectifier.
    least = args[1] if len(args) > 1 else kwargs.get(role.names[1])
    if isinstance(least, int | float) and least == 0:
        return role
    return None if role is _CLAMP else _UNIT


TRANSPOSED = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)
"""Convolutions that spread their input out."""

_RELU = (torch.relu, torch.Tensor.relu, functional.relu)

_RECTIFIER = _Role(OperationKind.RECTIFIER)
_CLAMP = _Role(OperationKind.RECTIFIER, ("input", "min", "max"))
_HARD_TANH = _Role(OperationKind.RECTIFIER, ("input", "min_val", "max_val"))
_UNIT = _Role(OperationKind.UNIT)


def _collect() -> dict[Function, _Role]:
    """Find the functions by name, in each place where torch has them."""
    convolution = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    transposed = (
        "input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation",
    )  # fmt: skip
    norm = ("input", "normalized_shape", "weight", "bias", "eps")
    running = ("running_mean", "running_var")
    affine = ("weight", "bias")
    kinds = OperationKind
    roles: dict[Function, _Role] = {
        torch.conv1d: _Role(kinds.CONVOLUTION, convolution),
        torch.conv2d: _Role(kinds.CONVOLUTION, convolution),
        torch.conv3d: _Role(kinds.CONVOLUTION, convolution),
        torch.conv_transpose1d: _Role(kinds.CONVOLUTION, transposed),
        torch.conv_transpose2d: _Role(kinds.CONVOLUTION, transposed),
        torch.conv_transpose3d: _Role(kinds.CONVOLUTION, transposed),
        functional.linear: _Role(kinds.LINEAR, ("input", *affine)),
        functional.batch_norm: _Role(
            kinds.BATCH_NORM, ("input", *running, *affine, "training", "momentum", "eps")
        ),
        torch.batch_norm: _Role(
            kinds.BATCH_NORM, ("input", *affine, *running, "training", "momentum", "eps")
        ),
        functional.layer_norm: _Role(kinds.LAYER_NORM, norm),
        torch.layer_norm: _Role(kinds.LAYER_NORM, norm),
        functional.group_norm: _Role(kinds.GROUP_NORM, ("input", "num_groups", *affine, "eps")),
        torch.group_norm: _Role(kinds.GROUP_NORM, ("input", "num_groups", *affine, "eps")),
        functional.instance_norm: _Role(kinds.INSTANCE_NORM, ("input", *running, *affine)),
        torch.instance_norm: _Role(kinds.INSTANCE_NORM, ("input", *affine, *running)),
        functional.rms_norm: _Role(kinds.RMS_NORM, ("input", "normalized_shape", "weight", "eps")),
        torch.rms_norm: _Role(kinds.RMS_NORM, ("input", "normalized_shape", "weight", "eps")),
        **dict.fromkeys(_RELU, _Role(kinds.RECTIFIER, ("input", "inplace"))),
        functional.hardsigmoid: _Role(kinds.HARD_SIGMOID),
        functional.scaled_dot_product_attention: _Role(
            kinds.ATTENTION, ("input", "key", "value", "attn_mask", "dropout_p", "is_causal")
        ),
        functional.normalize: _Role(kinds.OTHER_NORM),
        functional.local_response_norm: _Role(kinds.OTHER_NORM),
    }
    roles |= dict.fromkeys(
        (torch.mul, torch.Tensor.mul, torch.Tensor.mul_, torch.Tensor.__mul__,
         torch.Tensor.__rmul__, torch.multiply, torch.Tensor.multiply),
        _Role(kinds.PRODUCT, ("input", "other")),
    )  # fmt: skip
    places = (torch, torch.Tensor, functional)
    named = (
        (("relu", "relu6", "leaky_relu", "rrelu", "prelu", "gelu", "silu", "hardswish", "elu",
          "selu", "celu", "mish"), _RECTIFIER),
        (("clamp", "clamp_min", "clip"), _CLAMP),
        (("hardtanh",), _HARD_TANH),
        (("softmax",), _Role(kinds.SOFTMAX, ("input", "dim"))),
        (("sigmoid", "tanh", "softplus", "logsigmoid", "softsign",
          "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "lp_pool2d",
          "dropout", "dropout2d", "alpha_dropout", "feature_dropout"), _UNIT),
    )  # fmt: skip
    for names, role in named:
        for name in names:
            for place in places:
                for spelling in (name, f"{name}_"):
                    function = getattr(place, spelling, None)
                    if function is not None:
                        roles.setdefault(function, role)
    return roles


_ROLES = _collect()
