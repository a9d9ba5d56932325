"""Single precision for networks whose activations exceed its range.

A network without signs and norms multiplies its activations by some ten a layer. Here a tensor
stands for ``exp(log_scale)`` times its values: :class:`ScaledArithmetic` sees each function of
torch's, computes it on the values, and works out the result's scale. Scales are Python's numbers,
so they cost nothing on a device: a convolution adds the logarithms of its input and its weight, a
rectifier keeps that of its input, and a sum multiplies the smaller of its terms with the quotient.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

LARGEST_LOG = 80.0
"""Natural log up to which a scale can be multiplied in, in single precision."""

HARMLESS_LOG = 20.0
"""Natural log up to which a scale is multiplied in for a function without a rule."""

_ATTRIBUTE = "_acorn_log_scale"


class UnscalableError(ValueError):
    """A function without a rule was called on values too large for single precision."""


def log_scale(tensor: Tensor) -> float:
    """Natural log of what the values of a tensor are to be multiplied with; 0 by default."""
    scale: float = tensor.__dict__.get(_ATTRIBUTE, 0.0)
    return scale


def has_scale(tensor: Tensor) -> bool:
    """Tell whether a scale was set, be it that of 1."""
    return _ATTRIBUTE in tensor.__dict__


def set_log_scale(tensor: Tensor, log: float) -> None:
    """Let a tensor stand for ``exp(log)`` times its values."""
    tensor.__dict__[_ATTRIBUTE] = log


@contextmanager
def scaling(tensors: Sequence[Tensor]) -> Iterator[None]:
    """Let tensors, such as parameters, have a scale while inside: that of 1 at first."""
    try:
        for tensor in tensors:
            set_log_scale(tensor, 0.0)
        yield
    finally:
        for tensor in tensors:
            tensor.__dict__.pop(_ATTRIBUTE, None)


class ScaledArithmetic(TorchFunctionMode):
    """Computes every function inside on scaled tensors.

    A function without a rule is given the true values if these are in the range of single
    precision.

    Raises
    ------
    UnscalableError
        If they are not, for any function inside.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Compute one call."""
        kwargs = kwargs or {}
        if not any(log_scale(tensor) for tensor in _tensors((args, kwargs))):
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        rule = _RULES.get(name.strip("_"))
        if rule is None:
            if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")):
                raise UnscalableError(f"{name} writes into scaled activations")
            return func(*_true_values(args, name), **_true_values(kwargs, name))
        if not args and "input" in kwargs:
            args, kwargs = (kwargs["input"],), {k: v for k, v in kwargs.items() if k != "input"}
        return rule(func, *args, **kwargs)


Rule = Callable[..., Any]
"""Computes a function, given first, on scaled tensors."""


def _tensors(value: Any) -> Iterator[Tensor]:
    """Find the tensors among arguments."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors([*value.values()])


def _at(scale: float, result: Any) -> Any:
    """Note the scale of a result, or of each of several."""
    for tensor in _tensors(result):
        if tensor.is_floating_point():
            set_log_scale(tensor, scale)
    return result


def _times(tensor: Tensor, log: float) -> Tensor:
    """Multiply a tensor's values with ``exp(log)``, or with the largest factor that does."""
    return tensor * math.exp(min(log, LARGEST_LOG)) if log else tensor


def _true_values(value: Any, name: str) -> Any:
    """Put true values in place of scaled ones, in the arguments of the function of this name."""
    if isinstance(value, Tensor):
        log = log_scale(value)
        if log > HARMLESS_LOG:
            raise UnscalableError(f"{name} of activations that exceed single precision")
        return _times(value, log)
    if isinstance(value, tuple | list):
        return type(value)(_true_values(item, name) for item in value)
    if isinstance(value, dict):
        return {key: _true_values(item, name) for key, item in value.items()}
    return value


def _keep(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Compute what is homogeneous in its first tensor, and takes no other."""
    first, *others = _tensors((args, kwargs))
    if any(other.is_floating_point() for other in others):
        raise UnscalableError(f"{func.__name__} of several activations")
    return _at(log_scale(first), func(*args, **kwargs))


def _reshape_like(func: Any, x: Tensor, other: Tensor) -> Any:
    """Give a tensor the shape of another, of which nothing else is read."""
    return _at(log_scale(x), func(x, other))


def _clamp(func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Clamp: by zero alone it is homogeneous."""
    bounds = [bound for bound in (*args, *kwargs.values()) if bound is not None]
    if "max" in kwargs or len(args) > 1 or bounds != [0]:
        return _saturate(func, x, *args, **kwargs)
    return _keep(func, x, *args, **kwargs)


def _pad(func: Any, x: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Pad with zeros, or with values of the tensor itself."""
    if mode == "constant" and value:
        value = value * math.exp(-log_scale(x))
    return _at(log_scale(x), func(x, pad, mode, value))


def _saturate(func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Compute what is constant from some value on: all that is larger may be cut."""
    return func(_times(x, log_scale(x)), *args, **kwargs)


_GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": torch.sigmoid,
    "gelu": torch.special.ndtr,
    "hardswish": functional.hardsigmoid,
    "mish": lambda x: functional.softplus(x).tanh(),
}
"""What each of these activations multiplies its input with."""


def _gate(func: Any, x: Tensor, *_flags: Any, **kwargs: Any) -> Any:
    """Compute an input times a gate, which has the true values."""
    if kwargs.get("approximate", "none") != "none":
        raise UnscalableError("an approximate activation of large values")
    gate = _GATES[func.__name__.strip("_")](_times(x, log_scale(x)))
    return _at(log_scale(x), x * gate)


def _multiply(func: Any, x: Any, other: Any, *args: Any, **kwargs: Any) -> Any:
    """Multiply: scales add up."""
    scale = sum(log_scale(factor) for factor in (x, other) if isinstance(factor, Tensor))
    return _at(scale, func(x, other, *args, **kwargs))


def _divide(func: Any, x: Any, other: Any, *args: Any, **kwargs: Any) -> Any:
    """Divide by a number, or by an unscaled tensor."""
    if isinstance(other, Tensor) and log_scale(other):
        raise UnscalableError("a quotient of activations")
    return _at(log_scale(x), func(x, other, *args, **kwargs))


def _add(func: Any, x: Any, other: Any, *, alpha: float = 1.0) -> Any:
    """Add, or subtract, at the larger scale of the two."""
    name = func.__name__.strip("_")
    if name == "rsub":
        difference = _add(torch.sub, x, other, alpha=alpha)
        return _at(log_scale(difference), -difference)
    if name in ("sub", "isub", "subtract"):
        alpha = -alpha
    scales = [log_scale(term) if isinstance(term, Tensor) else 0.0 for term in (x, other)]
    in_place = func.__name__.endswith("_") and not func.__name__.startswith("__")
    scale = scales[0] if in_place else max(scales)
    if in_place and scales[1] - scale > HARMLESS_LOG:
        raise UnscalableError("a larger activation is added in place")
    if not isinstance(other, Tensor):
        result = torch.add(x, other * alpha * math.exp(-scale))
    elif not isinstance(x, Tensor):
        result = torch.add(other * alpha, x * math.exp(-scale))
    elif in_place:
        result = x.add_(other, alpha=alpha * math.exp(scales[1] - scale))
    elif scales[0] == scale:
        result = torch.add(x, other, alpha=alpha * math.exp(scales[1] - scale))
    else:
        other = other if alpha == 1 else other * alpha
        result = torch.add(other, x, alpha=math.exp(scales[0] - scale))
    return _at(scale, result)


def _join(func: Any, tensors: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
    """Join tensors at the largest of their scales."""
    scale = max(log_scale(tensor) for tensor in tensors)
    return _at(
        scale,
        func([_times(t, log_scale(t) - scale) for t in tensors], *args, **kwargs),
    )


def _product(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Multiply matrices: scales add up."""
    return _at(sum(map(log_scale, _tensors((args, kwargs)))), func(*args, **kwargs))


def _weighted(
    func: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any
) -> Any:
    """Compute a convolution or a linear layer: a bias is brought to the scale of the rest."""
    scale = log_scale(x) + log_scale(weight)
    if bias is not None:
        bias = _times(bias, log_scale(bias) - scale)
    return _at(scale, func(x, weight, bias, *args, **kwargs))


def _normalise(func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Normalise, with an epsilon at the scale of the input."""
    shrunk = math.exp(max(-2 * log_scale(x), -LARGEST_LOG))
    place = {"layer_norm": 3, "group_norm": 3, "rms_norm": 2}.get(func.__name__)
    if place is None or log_scale(x) < 0:
        raise UnscalableError(f"{func.__name__} of scaled activations")
    rest = list(args)
    if len(rest) > place and rest[place] is not None:
        rest[place] = rest[place] * shrunk
    elif place == 2:  # whose default depends on the precision
        kwargs["eps"] = (kwargs.get("eps") or torch.finfo(x.dtype).eps) * shrunk
    else:
        kwargs["eps"] = kwargs.get("eps", 1e-5) * shrunk
    return func(x, *rest, **kwargs)


def _softmax(func: Any, x: Tensor, dim: int | None = None, *args: Any, **kwargs: Any) -> Any:
    """Take a softmax of true values, of which the largest is 0."""
    if dim is None:
        raise UnscalableError("a softmax without an axis")
    shifted = x - x.detach().amax(dim, keepdim=True)
    return func(_times(shifted, log_scale(x)), dim, *args, **kwargs)


def _attend(func: Any, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Attend, with the scale of queries and keys in that of their product."""
    log = log_scale(query) + log_scale(key)
    if log > HARMLESS_LOG:
        raise UnscalableError("attention of large activations")
    scale = kwargs.pop("scale", None) or query.shape[-1] ** -0.5
    result = func(query, key, value, *args, scale=scale * math.exp(log), **kwargs)
    return _at(log_scale(value), result)


def _unscaled(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Make a tensor that has no more than the shape of another."""
    return func(*args, **kwargs)


def _rules() -> dict[str, Rule]:
    """Collect the rule of each function, by its name without underscores around it."""
    named: tuple[tuple[Rule, str], ...] = (
        (_keep, "relu leaky_relu max_pool1d max_pool2d avg_pool1d avg_pool2d adaptive_avg_pool1d "
                "adaptive_avg_pool2d adaptive_max_pool2d lp_pool2d view reshape "
                "flatten unflatten permute transpose swapaxes movedim t squeeze "
                "unsqueeze contiguous clone detach mean sum amax expand repeat "
                "repeat_interleave narrow select index_select getitem chunk split "
                "split_with_sizes tensor_split unbind max min roll flip interpolate pixel_shuffle "
                "pixel_unshuffle channel_shuffle unfold fold dropout dropout2d "
                "feature_dropout neg get to float alias requires_grad"),
        (_reshape_like, "expand_as reshape_as view_as"),
        (_clamp, "clamp clamp_min clip"),
        (_pad, "pad"),
        (_saturate, "sigmoid tanh hardsigmoid hardtanh relu6"),
        (_gate, "silu gelu hardswish mish"),
        (_multiply, "mul imul rmul multiply"),
        (_divide, "div truediv itruediv true_divide divide"),
        (_add, "add iadd radd sub isub rsub subtract"),
        (_join, "cat concat concatenate stack"),
        (_product, "matmul rmatmul bmm mm einsum"),
        (_weighted, "conv1d conv2d conv3d linear"),
        (_normalise, "layer_norm group_norm rms_norm"),
        (_softmax, "softmax"),
        (_attend, "scaled_dot_product_attention"),
        (_unscaled, "full_like zeros_like ones_like empty_like new_zeros new_ones new_full "
                    "new_empty size dim numel is_floating_point set untyped_storage data_ptr "
                    "element_size is_contiguous stride len grad backward register_hook"),
    )  # fmt: skip
    return {name: rule for rule, names in named for name in names.split()}


_RULES = _rules()
