"""The operations of the graph space: their options, and their shapes and cost by arithmetic.

Names, meanings and defaults of options are torch's. Costs are those of :mod:`acorn.graph`, so
that a declared graph has the numbers of its network, traced.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from acorn.graph import Kind, Layer
from acorn.spaces.graph import tensor_layers as tensors
from acorn.spaces.graph.node_options import (
    LARGEST,
    MOST_AXES,
    Option,
    OptionError,
    Options,
    choice,
    flag,
    number,
    number_or_none,
    pair,
    share,
    sizes,
    whole,
    word,
)
from acorn.spaces.graph.tensor_layers import FUNCTIONS, REDUCTIONS, Shape, in_words

CLASSES = "classes"
"""Stands for the dataset's number of classes."""

ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "hardswish",
    "hardsigmoid", "sigmoid", "tanh", "softplus",
)  # fmt: skip
"""Activations; without underscores, their names are those of torch's modules in lower case."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes
    ----------
    apply : callable
        From options and the shapes of the inputs to a layer without inputs, of the right shape and
        cost; raises :class:`~.node_options.OptionError`. For operations of several
        inputs that are computed two at a time, it is called for each two.
    options : mapping of str to Option
        By name.
    inputs : tuple of int
        Fewest and most inputs.
    commutes : bool
        Whether the order of the inputs does not matter.
    moves : bool
        Whether it only reorders elements; it is then no layer of the graph.
    pairwise : bool
        Whether several inputs are computed two at a time.
    takes_parameters : bool
        Whether inputs may be nodes ``parameter``.
    """

    apply: Callable[[Options, Sequence[Shape]], Layer]
    options: Mapping[str, Option] = field(default_factory=dict)
    inputs: tuple[int, int] = (1, 1)
    commutes: bool = False
    moves: bool = False
    pairwise: bool = False
    takes_parameters: bool = False


def _conv(options: Options, shapes: Sequence[Shape]) -> Layer:
    maps, shape = _maps_of(shapes[0])
    channels, *_ = shape
    groups = options.get("groups", channels)  # a depthwise convolution has no such option
    out = options.get("out_channels") or channels * options["multiplier"]
    _check_groups(groups, channels, out)
    kernel, stride, dilation = options["kernel"], options["stride"], options["dilation"]
    sides = _slide(shape, kernel, stride, same_padding(options), dilation)
    weights = out * (channels // groups) * math.prod(kernel)
    places = math.prod(maps) * math.prod(sides)
    bias = out if options["bias"] else 0
    learned = weights + bias if options["learned"] else 0
    return Layer(
        Kind.DEPTHWISE_CONV if groups == channels > 1 else Kind.CONV,
        shape=(*maps, out, *sides),
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        groups=groups,
        in_channels=channels,
        out_channels=out,
        params=learned + (out if options["gain"] else 0),
        macs=weights * places,
        flops=(weights + bias) * places,
    )


def _conv1d(options: Options, shapes: Sequence[Shape]) -> Layer:
    (shape,) = shapes
    if len(shape) != 2:
        raise OptionError(f"got {in_words(shape)}; expected channels and positions")
    channels, out, groups = shape[0], options["out_channels"], options["groups"]
    _check_groups(groups, channels, out)
    kernel, stride, dilation = options["kernel"], options["stride"], options["dilation"]
    length = (shape[1] + 2 * options["padding"] - dilation * (kernel - 1) - 1) // stride + 1
    if length < 1:
        raise OptionError(f"got kernel {kernel} on {in_words(shape)}; expected one that fits")
    weights = out * (channels // groups) * kernel
    bias = out if options["bias"] else 0
    return Layer(
        Kind.DEPTHWISE_CONV if groups == channels > 1 else Kind.CONV,
        shape=(out, length),
        kernel=(kernel,),
        stride=(stride,),
        dilation=(dilation,),
        groups=groups,
        in_channels=channels,
        out_channels=out,
        params=weights + bias,
        macs=weights * length,
        flops=(weights + bias) * length,
    )


def same_padding(options: Options) -> tuple[int, int]:
    """Convert the option ``padding`` to numbers.

    Parameters
    ----------
    options : mapping
        Options of a convolution. ``"same"`` keeps the size at stride 1.

    Returns
    -------
    tuple of int
        Padding of (height, width).

    Raises
    ------
    OptionError
        If the padding is ``"same"`` and the kernel is even.
    """
    padding = options["padding"]
    if padding != "same":
        return padding
    margins = [d * (k - 1) for k, d in zip(options["kernel"], options["dilation"], strict=True)]
    if any(margin % 2 for margin in margins):
        raise OptionError(
            f"got padding 'same' with kernel {list(options['kernel'])}; expected an odd kernel"
        )
    return margins[0] // 2, margins[1] // 2


def _pool(kind: Kind) -> Callable[[Options, Sequence[Shape]], Layer]:
    def apply(options: Options, shapes: Sequence[Shape]) -> Layer:
        maps, (channels, *size) = _maps_of(shapes[0])
        kernel, stride, padding = options["kernel"], options["stride"], options["padding"]
        if any(2 * pad > width for pad, width in zip(padding, kernel, strict=True)):
            raise OptionError(
                f"got padding {list(padding)}; expected at most half of kernel {list(kernel)}"
            )
        dilation = options.get("dilation", (1, 1))
        sides = _slide(
            (channels, *size), kernel, stride, padding, dilation, ceil=options["ceil_mode"]
        )
        shape = (*maps, channels, *sides)
        whole_map = kernel == tuple(size) and math.prod(sides) == 1 < math.prod(size)
        return Layer(
            Kind.GLOBAL_POOL if whole_map else kind,
            shape=shape,
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            flops=math.prod(shape) * math.prod(kernel),
        )

    return apply


def _adaptive_pool(kind: Kind) -> Callable[[Options, Sequence[Shape]], Layer]:
    def apply(options: Options, shapes: Sequence[Shape]) -> Layer:
        channels, *size = _map_of(shapes[0])
        ends = [*zip(size, options["size"], strict=True)]
        windows = [
            sum(math.ceil((i + 1) * side / n) - i * side // n + 1 for i in range(n))
            for side, n in ends
        ]
        return Layer(
            Kind.GLOBAL_POOL if options["size"] == (1, 1) else kind,
            shape=(channels, *options["size"]),
            kernel=tuple(math.ceil(side / n) for side, n in ends),
            stride=tuple(max(1, side // n) for side, n in ends),
            dilation=(1, 1),
            flops=channels * math.prod(windows),
        )

    return apply


def _global_pool(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    channels, height, width = _map_of(shapes[0])
    return Layer(
        Kind.GLOBAL_POOL,
        shape=(channels, 1, 1),
        kernel=(height, width),
        stride=(height, width),
        dilation=(1, 1),
        flops=channels * (height + 1) * (width + 1),
    )


def _norm(options: Options, shapes: Sequence[Shape]) -> Layer:
    (shape,) = shapes
    axes, axis = options.get("axes", 0), options.get("axis", 1)
    if axes > len(shape) or axis not in (1, len(shape)):
        raise OptionError(f"got axis {axes or axis} of {in_words(shape)}; expected 1 or the last")
    if axes == 0 and "axes" in options and len(shape) == 2:
        raise OptionError(f"got {in_words(shape)}; expected a map or a vector, or the option axes")
    channels = 1 if "axis" in options and len(shape) == 4 and axis == 1 else axis - 1
    size = math.prod(shape[len(shape) - axes :]) if axes else shape[channels]
    _check_groups(options.get("groups", 1), size)
    affine, bias = options["affine"], options.get("bias", True)
    return Layer(
        Kind.NORM,
        shape=shape,
        params=(1 + bias) * size if affine and options["learned"] else 0,
        flops=math.prod(shape) * (2 if affine else 1),
    )


def _activation(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    return Layer(Kind.ACTIVATION, shape=shapes[0], flops=math.prod(shapes[0]))


def _linear(options: Options, shapes: Sequence[Shape]) -> Layer:
    (shape,) = shapes
    if options["axis"] != len(shape):
        raise OptionError(
            f"got a map of {in_words(shape)}; expected a vector (see flatten), or its last axis "
            "as axis"
        )
    features, rows = options["out_features"], math.prod(shape[:-1])
    weights = shape[-1] * features
    weight_size, bias_size = options["weight_size"], options["bias_size"]
    learned = weights if weight_size < 0 else weight_size
    if options["bias"]:
        learned += features if bias_size < 0 else bias_size
    return Layer(
        Kind.LINEAR,
        shape=(*shape[:-1], features),
        in_channels=shape[-1],
        out_channels=features,
        params=learned,
        macs=weights * rows,
        flops=weights * rows,
    )


def _shuffle(options: Options, shapes: Sequence[Shape]) -> Layer:
    channels, *_ = _map_of(shapes[0])
    _check_groups(options["groups"], channels)
    return Layer(Kind.RESHAPE, shape=shapes[0])


def _upsample(options: Options, shapes: Sequence[Shape]) -> Layer:
    channels, height, width = _map_of(shapes[0])
    scale = options["scale"]
    return Layer(Kind.RESHAPE, shape=(channels, height * scale, width * scale))


def _resize(options: Options, shapes: Sequence[Shape]) -> Layer:
    channels, *_ = _map_of(shapes[0])
    return Layer(Kind.RESHAPE, shape=(channels, *options["size"]))


def _unfold(options: Options, shapes: Sequence[Shape]) -> Layer:
    window = (options[name] for name in ("kernel", "stride", "padding", "dilation"))
    sides = _slide(shapes[0], *window)
    channels, *_ = shapes[0]
    return Layer(Kind.RESHAPE, shape=(channels * math.prod(options["kernel"]), math.prod(sides)))


def _fold(options: Options, shapes: Sequence[Shape]) -> Layer:
    (shape,) = shapes
    window = (options[name] for name in ("kernel", "stride", "padding", "dilation"))
    area = math.prod(options["kernel"])
    sides = _slide((1, *options["size"]), *window)
    if len(shape) != 2 or shape[0] % area or shape[1] != math.prod(sides):
        raise OptionError(f"got {in_words(shape)}; expected windows of {math.prod(sides)} places")
    return Layer(Kind.RESHAPE, shape=(shape[0] // area, *options["size"]))


def _flatten(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    return Layer(Kind.RESHAPE, shape=(math.prod(shapes[0]),))


def _check_groups(groups: int, *channels: int) -> None:
    for count in channels:
        if count % groups:
            raise OptionError(f"got groups of {groups} for {count} channels; expected a divisor")


def _map_of(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise OptionError(f"got a vector of {shape[0]}; expected a map (channels, height, width)")
    return shape


def _maps_of(shape: Shape) -> tuple[Shape, Shape]:
    """Split the number of maps of each image off, if there are several."""
    return (shape[:1], shape[1:]) if len(shape) == 4 else ((), _map_of(shape))


def _slide(
    shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    *,
    ceil: bool = False,
) -> tuple[int, int]:
    """Height and width after a sliding window."""
    sides = []
    for size, k, s, p, d in zip(shape[1:], kernel, stride, padding, dilation, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        side = (room + s - 1 if ceil else room) // s + 1
        if ceil and (side - 1) * s >= size + p:
            side -= 1  # a window has to begin in the map or before it
        sides.append(side)
    if min(sides) < 1:
        raise OptionError(
            f"got kernel {list(kernel)} on a map of {in_words(shape)}; expected one that fits"
        )
    return sides[0], sides[1]


_WINDOW = {
    "kernel": Option(pair(1, 255)),
    "stride": Option(pair(1, 255), (1, 1)),
    "padding": Option(choice("same", pair(0, 1_024)), (0, 0)),
    "dilation": Option(pair(1, 255), (1, 1)),
}
_POOL = {
    "kernel": Option(pair(1, 255)),
    "stride": Option(pair(1, 255), lambda options: options["kernel"]),
    "padding": Option(pair(0, 127), (0, 0)),
    "ceil_mode": Option(flag, default=False, quiet=True),
}
_AFFINE = {"affine": Option(flag, default=True)}
_BIAS = {"bias": Option(flag, default=True)}
_EPS = {"eps": Option(number, 1e-5, quiet=True)}
_LEARNED = {"learned": Option(flag, default=True, quiet=True)}
_GAIN = {"gain": Option(flag, default=False, quiet=True)}
_AXIS = whole(1, MOST_AXES)
_CHANNELS = {"axis": Option(_AXIS, 1, quiet=True)}
_GIVEN_AXIS = {"axis": Option(_AXIS)}
_AXES = {"axes": Option(sizes(1, MOST_AXES))}
_SHAPE = {"shape": Option(sizes(1, 2**24))}
_LAST_AXES = {"axes": Option(whole(0, MOST_AXES), 0, quiet=True)}
_NORM_BIAS = {"bias": Option(flag, default=True, quiet=True)}
_PATCHES = {
    "kernel": Option(pair(1, 255)),
    "stride": Option(pair(1, 255), (1, 1)),
    "padding": Option(pair(0, 1_024), (0, 0)),
    "dilation": Option(pair(1, 255), (1, 1)),
}
_NUMBERS: Mapping[str, Mapping[str, Option]] = {
    "leaky_relu": {"negative_slope": Option(number, 0.01, quiet=True)},
    "gelu": {"approximate": Option(word("none", "tanh"), "none", quiet=True)},
}
_MANY = (2, LARGEST)
_ADD = tensors.pairwise(Kind.ADD, "inputs of one shape")
_MULTIPLY = tensors.pairwise(Kind.MUL, "inputs of one shape, or of height and width 1")

OPERATIONS: Mapping[str, Operation] = {
    "conv": Operation(
        _conv,
        {
            "out_channels": Option(whole()),
            **_WINDOW,
            "groups": Option(whole(), 1),
            **_BIAS,
            **_LEARNED,
            **_GAIN,
        },
    ),
    "depthwise_conv": Operation(
        _conv, {"multiplier": Option(whole(), 1), **_WINDOW, **_BIAS, **_LEARNED, **_GAIN}
    ),
    "conv1d": Operation(
        _conv1d,
        {
            "out_channels": Option(whole()),
            "kernel": Option(whole(1, 1_024)),
            "stride": Option(whole(1, 255), 1),
            "padding": Option(whole(0, 1_024), 0),
            "dilation": Option(whole(1, 255), 1),
            "groups": Option(whole(), 1),
            **_BIAS,
        },
    ),
    "linear": Operation(
        _linear,
        {
            "out_features": Option(choice(CLASSES, whole())),
            **_BIAS,
            **_CHANNELS,
            "weight_size": Option(whole(-1, 2**31), -1, quiet=True),
            "bias_size": Option(whole(-1, 2**31), -1, quiet=True),
        },
    ),
    "batch_norm": Operation(_norm, {**_AFFINE, **_CHANNELS, **_EPS, **_LEARNED}),
    "layer_norm": Operation(_norm, {**_AFFINE, **_LAST_AXES, **_NORM_BIAS, **_EPS, **_LEARNED}),
    "group_norm": Operation(_norm, {"groups": Option(whole()), **_AFFINE, **_EPS, **_LEARNED}),
    **{name: Operation(_activation, _NUMBERS.get(name, {})) for name in ACTIVATIONS},
    "softmax": Operation(tensors.softmax, _GIVEN_AXIS),
    "prelu": Operation(tensors.prelu, {"slopes": Option(whole(), 1)}),
    "clamp": Operation(
        _activation, {"min": Option(number_or_none, None), "max": Option(number_or_none, None)}
    ),
    "max_pool": Operation(
        _pool(Kind.MAX_POOL), {**_POOL, "dilation": Option(pair(1, 255), (1, 1), quiet=True)}
    ),
    "avg_pool": Operation(
        _pool(Kind.AVG_POOL), {**_POOL, "count_include_pad": Option(flag, default=True)}
    ),
    "global_avg_pool": Operation(_global_pool),
    "global_max_pool": Operation(_global_pool),
    "adaptive_avg_pool": Operation(_adaptive_pool(Kind.AVG_POOL), {"size": Option(pair())}),
    "adaptive_max_pool": Operation(_adaptive_pool(Kind.MAX_POOL), {"size": Option(pair())}),
    "reduce": Operation(
        tensors.reduce,
        {"function": Option(word(*REDUCTIONS)), **_AXES, "keepdim": Option(flag, default=False)},
    ),
    "function": Operation(
        tensors.function,
        {"function": Option(word(*FUNCTIONS)), "value": Option(number, 2.0, quiet=True)},
        inputs=(1, 3),
        takes_parameters=True,
    ),
    "add": Operation(_ADD, inputs=_MANY, commutes=True, pairwise=True, takes_parameters=True),
    "multiply": Operation(
        _MULTIPLY, inputs=_MANY, commutes=True, pairwise=True, takes_parameters=True
    ),
    "subtract": Operation(_ADD, inputs=(2, 2), takes_parameters=True),
    "divide": Operation(_MULTIPLY, inputs=(2, 2), takes_parameters=True),
    "matmul": Operation(tensors.matmul, inputs=(2, 2)),
    "concat": Operation(tensors.concat, _CHANNELS, inputs=(1, LARGEST), takes_parameters=True),
    "slice": Operation(
        tensors.cut,
        {
            "start": Option(whole(0)),
            "stop": Option(whole()),
            **_CHANNELS,
            "step": Option(whole(), 1, quiet=True),
        },
    ),
    "select": Operation(tensors.select, {**_GIVEN_AXIS, "index": Option(whole(0))}),
    "pad": Operation(
        tensors.pad,
        {
            "padding": Option(sizes(-1_024, 1_024)),
            "mode": Option(word("constant", "reflect", "replicate"), "constant"),
        },
    ),
    "roll": Operation(tensors.along, {**_AXES, "shifts": Option(sizes(-LARGEST))}),
    "flip": Operation(tensors.along, _AXES),
    "windows": Operation(
        tensors.windows,
        {**_GIVEN_AXIS, "size": Option(whole()), "step": Option(whole(), 1)},
    ),
    "unfold": Operation(_unfold, _PATCHES),
    "fold": Operation(_fold, {"size": Option(pair()), **_PATCHES}),
    "channel_shuffle": Operation(_shuffle, {"groups": Option(whole())}, moves=True),
    "upsample": Operation(_upsample, {"scale": Option(whole(1, 16))}),
    "resize": Operation(
        _resize,
        {
            "size": Option(pair(1, 4_096)),
            "mode": Option(word("nearest", "bilinear", "bicubic"), "nearest"),
        },
    ),
    "flatten": Operation(_flatten, moves=True),
    "reshape": Operation(tensors.reshape, _SHAPE, moves=True),
    "permute": Operation(tensors.permute, _AXES, moves=True),
    "expand": Operation(tensors.expand, _SHAPE, moves=True),
    "scale": Operation(
        tensors.keep,
        {"factor": Option(number, 1.0), "shift": Option(number, 0.0)},
        moves=True,
    ),
    "parameter": Operation(
        tensors.parameter, {**_SHAPE, "size": Option(whole(0, 2**31))}, inputs=(0, 0)
    ),
    "dropout": Operation(tensors.keep, {"p": Option(share, 0.5)}, moves=True),
    "identity": Operation(tensors.keep, moves=True),
}
"""Operations by name, as in a specification."""

NOTHING = frozenset({"dropout", "identity"})
"""Operations that a canonical form leaves out."""
