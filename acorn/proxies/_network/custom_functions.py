"""Functions of the user's own derivation: which activation they are, if any."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.utils import checkpoint

Elementwise = Callable[[Tensor], Tensor]

ACTIVATIONS: Mapping[str, Elementwise] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "hardswish": functional.hardswish,
    "mish": functional.mish,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "hardsigmoid": functional.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": functional.softplus,
}
"""What a function is taken for if it gives the same values."""

VALUES = 4_096
"""Values on which functions are compared, at least: evenly from -8 to 8, and some large ones."""

LARGE = (16.0, 64.0, 256.0, 1e4)


def recognise(function: Callable[[Tensor], object], like: Tensor) -> str | None:
    """Find the activation that a function computes.

    Parameters
    ----------
    function
        Is called once, without gradients, on a tensor of the shape of ``like`` but for its first
        axis.
    like
        Gives shape, precision and device.

    Returns
    -------
    str or None
        A key of :data:`ACTIVATIONS`, ``"identity"``, or None for anything else.
    """
    grid = _grid(like)
    with torch.no_grad():
        try:
            got = function(grid.clone())
        except Exception:  # the user's function may raise anything
            return None
        if not isinstance(got, Tensor) or got.shape != grid.shape or got.dtype != grid.dtype:
            return None
        tolerance = 1e-5 if grid.dtype in (torch.float32, torch.float64) else 2e-2
        if torch.allclose(got, grid, rtol=tolerance, atol=tolerance):
            return "identity"
        for name, activation in ACTIVATIONS.items():
            if torch.allclose(got, activation(grid), rtol=tolerance, atol=tolerance):
                return name
    return None


def _grid(like: Tensor) -> Tensor:
    """Lay out the values that functions are compared on like a batch of the network's own."""
    row = max(1, like[0].numel()) if like.dim() else 1
    count = -(-VALUES // row) * row
    large = torch.tensor([sign * value for value in LARGE for sign in (1, -1)])
    values = torch.cat([torch.linspace(-8, 8, count - len(large)), large])
    shape = (-1, *like.shape[1:]) if like.dim() else (-1,)
    return values.reshape(shape).to(like)


class CustomFunctions:
    """Computes the network's own autograd functions while it is measured.

    What is inside such a function cannot be watched. One that is an activation of torch's by its
    values is replaced by it; of one that may be an activation, and is none that is known, the name
    is noted. Activation checkpointing is one of these functions: it is left out, for what it
    computes again would be seen again.

    Attributes
    ----------
    opaque
        Names of functions that map a tensor to one of its shape, and were not recognised.
    seen
        Whether any of the network's own functions ran.
    """

    def __init__(self) -> None:
        self.opaque: set[str] = set()
        self.seen = False
        self.changed = False
        self._known: dict[type[Function], str | None] = {}

    def apply(
        self,
        function: type[Function],
        original: Callable[..., Any],
        args: Any,
        kwargs: dict[str, Any],
    ) -> Any:
        """Compute one call of ``function.apply``."""
        self.seen = True
        if issubclass(function, checkpoint.CheckpointFunction):
            inner, _preserve, *inputs = args
            return inner(*inputs)
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]

        def call(*replaced: Tensor) -> Any:
            rest = iter(replaced)
            with torch._C.DisableTorchFunction():
                return original(
                    *(next(rest, a) if isinstance(a, Tensor) else a for a in args), **kwargs
                )

        alone = len(tensors) == 1 and tensors[0].is_floating_point()
        if function not in self._known and alone:
            noted = set(self.opaque)
            self._known[function] = recognise(call, tensors[0])
            self.opaque = noted
            self.changed |= self._known[function] in ACTIVATIONS
        name = self._known.get(function)
        activation = ACTIVATIONS.get(name or "")
        if activation is not None and alone:
            return activation(tensors[0])
        return call()

    def note(self, function: type[Function], arguments: Sequence[Any], result: Any) -> None:
        """Note a function whose inside ran, unless it is known to be the identity."""
        self.seen = True
        shapes = {value.shape for value in arguments if isinstance(value, Tensor)}
        shaped = isinstance(result, Tensor) and result.shape in shapes
        if shaped and self._known.get(function) != "identity":
            self.opaque.add(function.__name__)


_active = threading.local()
_lock = threading.Lock()
_users = 0
_apply = Function.__dict__["apply"]
_forwards: dict[type[Function], Any] = {}
_checkpoint_generator = checkpoint._checkpoint_without_reentrant_generator


def _watched_apply(cls: type[Function], *args: Any, **kwargs: Any) -> Any:
    """Compute one call of ``apply`` that looks the name up when it is made."""
    functions: CustomFunctions | None = getattr(_active, "functions", None)
    original = _apply.__get__(None, cls)
    if functions is None or not (_is_foreign(cls) or cls is checkpoint.CheckpointFunction):
        return original(*args, **kwargs)
    return functions.apply(cls, original, args, kwargs)


def _watched_forward(cls: type[Function], forward: Any) -> "staticmethod[..., Any]":
    """Note calls by a name that was bound to ``apply`` before."""

    def watched(*args: Any, **kwargs: Any) -> Any:
        result = forward.__get__(None, cls)(*args, **kwargs)
        functions: CustomFunctions | None = getattr(_active, "functions", None)
        if functions is not None:
            functions.note(cls, (*args, *kwargs.values()), result)
        return result

    return staticmethod(watched)


def _watched_generator(*args: Any, **kwargs: Any) -> Iterator[None]:
    if getattr(_active, "functions", None) is None:
        yield from _checkpoint_generator(*args, **kwargs)
    else:
        yield


def _is_foreign(function: type[Function]) -> bool:
    return not function.__module__.startswith(("acorn.", "torch."))


def _subclasses(function: type[Function]) -> Iterator[type[Function]]:
    for derived in function.__subclasses__():
        yield derived
        yield from _subclasses(derived)


@contextmanager
def custom_functions(functions: CustomFunctions) -> Iterator[None]:
    """Let this object compute all autograd functions of this thread while inside.

    Torch offers no way to see them, nor one to switch checkpointing off: names of torch's and of
    the functions' own are replaced as long as any thread is inside, by such as do as before in
    other threads.
    """
    global _users
    with _lock:
        _users += 1
        Function.apply = classmethod(_watched_apply)  # type: ignore[method-assign, assignment]
        checkpoint._checkpoint_without_reentrant_generator = _watched_generator
        for function in {*_subclasses(Function)} - {*_forwards}:
            if _is_foreign(function) and "forward" in vars(function):
                _forwards[function] = vars(function)["forward"]
                function.forward = _watched_forward(function, _forwards[function])  # type: ignore[method-assign]
    before = getattr(_active, "functions", None)
    _active.functions = functions
    try:
        yield
    finally:
        _active.functions = before
        with _lock:
            _users -= 1
            if not _users:
                Function.apply = _apply  # type: ignore[method-assign]
                checkpoint._checkpoint_without_reentrant_generator = _checkpoint_generator
                while _forwards:
                    function, forward = _forwards.popitem()
                    function.forward = forward  # type: ignore[method-assign]
