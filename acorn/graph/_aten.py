"""What each of torch's aten operations is as a layer: kind, geometry and cost.

Costs follow the convention of :mod:`acorn.graph`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from acorn.graph.layer_graph import Kind, Layer

Args = Sequence[Any]
"""Positional arguments of an aten call, as its schema orders them; trailing defaults left out."""

IsComputed = Callable[[Tensor], bool]
"""Whether a tensor depends on the network's input (weights and constants do not)."""

_Reader = Callable[[Args, tuple[int, ...]], Layer]

ACTIVATIONS = frozenset(
    """relu relu6 hardtanh leaky_relu rrelu_with_noise elu celu selu gelu silu mish sigmoid
    hardsigmoid hardswish tanh softplus threshold _prelu_kernel log_sigmoid_forward _softmax
    _safe_softmax _log_softmax clamp clamp_min clamp_max""".split()  # noqa: SIM905
)

# Moves of whole tensors: the reader sees the node behind them. (A mode sees reshape, flatten,
# contiguous and the like as these.)
TRANSPARENT = frozenset(
    """view _unsafe_view _reshape_alias reshape t transpose permute expand squeeze unsqueeze
    alias detach clone _to_copy lift_fresh lift neg""".split()  # noqa: SIM905
)

# Moves that pick, repeat or reorder elements: nodes of their own, because shapes change in them.
MOVES = frozenset(
    """slice select split split_with_sizes chunk unbind narrow index index_select gather
    as_strided constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d
    replication_pad2d pad pixel_shuffle pixel_unshuffle channel_shuffle roll flip rot90
    repeat im2col col2im unfold upsample_nearest1d upsample_nearest2d upsample_bilinear2d
    upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler_2d tril
    triu diagonal""".split()  # noqa: SIM905
)

# With a number or a constant without parameters on the other side, these only shift and scale.
ADDITIONS = frozenset(("add", "sub", "rsub"))
PRODUCTS = frozenset(("mul", "div", "multiply"))


def read_layer(name: str, args: Args, out: Tensor, computed: IsComputed) -> Layer:
    """Describe one aten call as a layer with neither inputs nor parameters.

    Parameters
    ----------
    name : str
        Name of the operation without namespace, overload and in-place underscore.
    args, out : sequence, torch.Tensor
        Its arguments, and its first output; the tensors may be on the meta device.
    computed : callable
        Tells operands that depend on the network's input from weights and constants.

    Returns
    -------
    Layer
        Counts are for the whole batch, and ``shape`` includes it: the caller divides.
    """
    shape = tuple(out.shape)
    if name in _READERS:
        return _READERS[name](args, shape)
    if name in ("mm", "bmm", "addmm", "baddbmm"):
        return _product(args[-2], args[-1], shape, computed)
    if name == "linear":
        return _product(args[0], args[1].t(), shape, computed)
    if name in ACTIVATIONS:
        return Layer(Kind.ACTIVATION, shape=shape, flops=args[0].numel())
    if name.startswith("_scaled_dot_product"):
        query, key, value = args[:3]
        macs = math.prod(query.shape[:-1]) * key.shape[-2] * (key.shape[-1] + value.shape[-1])
        return Layer(Kind.MATMUL, shape=shape, macs=macs, flops=macs)
    if name in ADDITIONS:
        return Layer(Kind.ADD, shape=shape)
    if name in PRODUCTS:
        return Layer(Kind.MUL, shape=shape)
    if name in ("cat", "stack"):
        return Layer(Kind.CONCAT, shape=shape)
    if name in MOVES or name in TRANSPARENT:
        return Layer(Kind.RESHAPE, shape=shape)
    return Layer(Kind.OTHER, shape=shape)


def quick_result(name: str, args: Args) -> Any:
    """Make an empty result of an operation that keeps the shape of its operand.

    The shape rules of torch for these run in Python and take most of the time of a trace.

    Parameters
    ----------
    name : str
        As in :func:`read_layer`.
    args : sequence
        Arguments of the call.

    Returns
    -------
    torch.Tensor, tuple of torch.Tensor or None
        None if the operation is not one of these.
    """
    source = args[0] if args else None
    if not (isinstance(source, Tensor) and source.is_contiguous()):
        return None
    if name in ("add", "mul"):
        other = args[1]
        if not isinstance(other, Tensor) or other.shape != source.shape:
            return None
        return _blank(source) if other.dtype == source.dtype else None
    if name == "native_batch_norm":  # nothing reads the statistics that it saves for training
        return _blank(source), _blank(source), _blank(source)
    return _blank(source) if name in ACTIVATIONS and name != "log_sigmoid_forward" else None


def _blank(like: Tensor) -> Tensor:
    result: Tensor = torch.ops.aten.empty.memory_format(
        like.shape, dtype=like.dtype, device=like.device
    )
    return result


def _convolution(args: Args, shape: tuple[int, ...]) -> Layer:
    source, weight, bias, stride, _, dilation, transposed, _, groups = args
    kernel = tuple(weight.shape[2:])
    in_channels, out_channels = source.shape[1], shape[1]
    # A transposed convolution multiplies each weight with each *input* position.
    positions = math.prod(source.shape[2:] if transposed else shape[2:])
    macs = shape[0] * weight.numel() * positions
    depthwise = groups == in_channels > 1
    return Layer(
        Kind.DEPTHWISE_CONV if depthwise else Kind.CONV,
        shape=shape,
        kernel=kernel,
        # ... and its stride spreads the input out instead of thinning it.
        stride=(1,) * len(kernel) if transposed else _per_axis(stride, kernel),
        dilation=_per_axis(dilation, kernel),
        groups=groups,
        in_channels=in_channels,
        out_channels=out_channels,
        macs=macs,
        flops=macs + (math.prod(shape) if bias is not None else 0),
    )


def _product(left: Tensor, right: Tensor, shape: tuple[int, ...], computed: IsComputed) -> Layer:
    """Read a matrix product: a linear layer if one side is a weight, attention if neither is."""
    macs = left.numel() * right.shape[-1]
    if computed(left) and computed(right):
        return Layer(Kind.MATMUL, shape=shape, macs=macs, flops=macs)
    # The weight is the side that does not depend on the input; by custom the right one.
    outputs = left.shape[-2] if computed(right) else right.shape[-1]
    return Layer(
        Kind.LINEAR,
        shape=shape,
        in_channels=left.shape[-1],
        out_channels=outputs,
        macs=macs,
        flops=macs,
    )


def _norm(weight: int) -> _Reader:
    """Make the reader of a norm whose argument number ``weight`` is None if it is not affine."""

    def read(args: Args, shape: tuple[int, ...]) -> Layer:
        per_element = 1 if args[weight] is None else 2
        return Layer(Kind.NORM, shape=shape, flops=math.prod(shape) * per_element)

    return read


def _pool(kind: Kind) -> _Reader:
    def read(args: Args, shape: tuple[int, ...]) -> Layer:
        kernel = tuple(args[1])
        axes = len(kernel)
        stride = tuple(args[2]) if len(args) > 2 and args[2] else kernel
        dilated = kind is Kind.MAX_POOL and len(args) > 4
        size = tuple(args[0].shape[-axes:])
        is_global = kernel == size and math.prod(shape[-axes:]) == 1 < math.prod(size)
        return Layer(
            Kind.GLOBAL_POOL if is_global else kind,
            shape=shape,
            kernel=_per_axis(kernel, size),
            stride=_per_axis(stride, size),
            dilation=_per_axis(args[4], size) if dilated else (1,) * axes,
            flops=math.prod(shape) * math.prod(kernel),
        )

    return read


def _adaptive_pool(kind: Kind) -> _Reader:
    def read(args: Args, shape: tuple[int, ...]) -> Layer:
        ends = list(zip(args[0].shape[2:], shape[2:], strict=True))
        windows = [
            sum(math.ceil((i + 1) * size / n) - i * size // n + 1 for i in range(n))
            for size, n in ends
        ]
        return Layer(
            Kind.GLOBAL_POOL if math.prod(shape[2:]) == 1 else kind,
            shape=shape,
            kernel=tuple(math.ceil(size / n) for size, n in ends),
            stride=tuple(max(1, size // n) for size, n in ends),
            dilation=(1,) * len(ends),
            flops=shape[0] * shape[1] * math.prod(windows),
        )

    return read


def _reduction(args: Args, shape: tuple[int, ...]) -> Layer:
    """Read a mean or maximum: global pooling if it is over the places of a feature map."""
    source = args[0]
    rank = source.dim()
    given = args[1] if len(args) > 1 and args[1] is not None else range(rank)
    axes = {axis % rank for axis in ([given] if isinstance(given, int) else given)} if rank else {}
    keepdim = len(args) > 2 and bool(args[2])
    places = (
        (rank == 4 and (axes == {2, 3} or axes == {1, 2}))
        or (rank == 3 and axes == {1})
        # With keepdim this is the middle of a hand-written layer norm, not a pooling.
        or (rank == 3 and axes == {2} and not keepdim)
    )
    if not places:
        return Layer(Kind.OTHER, shape=shape)
    window = tuple(source.shape[axis] for axis in sorted(axes))
    return Layer(
        Kind.GLOBAL_POOL,
        shape=shape,
        kernel=window,
        stride=window,
        dilation=(1,) * len(window),
        flops=math.prod(shape) * math.prod(size + 1 for size in window),
    )


def _per_axis(value: int | Sequence[int], like: Sequence[int]) -> tuple[int, ...]:
    """Repeat a single number for every axis, as torch does."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * len(like) if len(numbers) == 1 else numbers


_READERS: dict[str, _Reader] = {
    "convolution": _convolution,
    "native_batch_norm": _norm(1),
    "_native_batch_norm_legit": _norm(1),
    "_native_batch_norm_legit_no_training": _norm(1),
    "_batch_norm_no_update": _norm(1),
    "cudnn_batch_norm": _norm(1),
    "native_group_norm": _norm(1),
    "native_layer_norm": _norm(2),
    "_fused_rms_norm": _norm(2),
    "max_pool2d_with_indices": _pool(Kind.MAX_POOL),
    "max_pool1d": _pool(Kind.MAX_POOL),
    "avg_pool1d": _pool(Kind.AVG_POOL),
    "avg_pool2d": _pool(Kind.AVG_POOL),
    "_adaptive_avg_pool2d": _adaptive_pool(Kind.AVG_POOL),
    "adaptive_max_pool2d": _adaptive_pool(Kind.MAX_POOL),
    "mean": _reduction,
    "amax": _reduction,
}
