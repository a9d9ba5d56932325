"""The operations of the graph space: their options, and their shapes and cost by arithmetic.

Names, meanings and defaults of options are torch's. Costs are those of :mod:`acorn.graph`, so
that a declared graph has the numbers of its network, traced.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from acorn.graph import Kind, Layer
from acorn.spaces.graph.node_options import (
    LARGEST,
    Option,
    OptionError,
    Options,
    choice,
    flag,
    pair,
    share,
    whole,
)

Shape = tuple[int, ...]
"""(channels, height, width) of a map, or (features,) of a vector."""

CLASSES = "classes"
"""Stands for the dataset's number of classes."""

ACTIVATIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
    "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softplus": "Softplus",
}
"""Names of torch's modules."""


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
        Whether it only renames positions, so that it is no layer of its own.
    pairwise : bool
        Whether several inputs are computed two at a time.
    """

    apply: Callable[[Options, Sequence[Shape]], Layer]
    options: Mapping[str, Option] = field(default_factory=dict)
    inputs: tuple[int, int] = (1, 1)
    commutes: bool = False
    moves: bool = False
    pairwise: bool = False


def _conv(options: Options, shapes: Sequence[Shape]) -> Layer:
    channels, *_ = _map_of(shapes[0])
    return _convolve(options, shapes[0], options["groups"], options["out_channels"], channels)


def _depthwise(options: Options, shapes: Sequence[Shape]) -> Layer:
    channels, *_ = _map_of(shapes[0])
    return _convolve(options, shapes[0], channels, channels * options["multiplier"], channels)


def _convolve(options: Options, shape: Shape, groups: int, out: int, channels: int) -> Layer:
    if channels % groups or out % groups:
        raise OptionError(
            f"got groups of {groups} for {channels} channels in and {out} out; "
            "expected a divisor of both"
        )
    kernel, stride, dilation = options["kernel"], options["stride"], options["dilation"]
    sides = _slide(shape, kernel, stride, same_padding(options), dilation)
    weights = out * (channels // groups) * math.prod(kernel)
    places = math.prod(sides)
    bias = out if options["bias"] else 0
    return Layer(
        Kind.DEPTHWISE_CONV if groups == channels > 1 else Kind.CONV,
        shape=(out, *sides),
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        groups=groups,
        in_channels=channels,
        out_channels=out,
        params=weights + bias,
        macs=weights * places,
        flops=(weights + bias) * places,
    )


def same_padding(options: Options) -> tuple[int, int]:
    """Spell out the padding ``"same"``, which keeps the size at stride 1."""
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
        channels, *size = _map_of(shapes[0])
        kernel, stride, padding = options["kernel"], options["stride"], options["padding"]
        if any(2 * pad > width for pad, width in zip(padding, kernel, strict=True)):
            raise OptionError(
                f"got padding {list(padding)}; expected at most half of kernel {list(kernel)}"
            )
        sides = _slide(shapes[0], kernel, stride, padding, (1, 1))
        shape = (channels, *sides)
        whole_map = kernel == tuple(size) and math.prod(sides) == 1 < math.prod(size)
        return Layer(
            Kind.GLOBAL_POOL if whole_map else kind,
            shape=shape,
            kernel=kernel,
            stride=stride,
            dilation=(1, 1),
            flops=math.prod(shape) * math.prod(kernel),
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
    groups = options.get("groups", 1)
    if shape[0] % groups:
        raise OptionError(f"got groups of {groups} for {shape[0]} channels; expected a divisor")
    affine = options["affine"]
    return Layer(
        Kind.NORM,
        shape=shape,
        params=2 * shape[0] if affine else 0,
        flops=math.prod(shape) * (2 if affine else 1),
    )


def _activation(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    return Layer(Kind.ACTIVATION, shape=shapes[0], flops=math.prod(shapes[0]))


def _linear(options: Options, shapes: Sequence[Shape]) -> Layer:
    (shape,) = shapes
    if len(shape) != 1:
        raise OptionError(f"got a map of {_words(shape)}; expected a vector (see flatten)")
    features = options["out_features"]
    weights = shape[0] * features
    return Layer(
        Kind.LINEAR,
        shape=(features,),
        in_channels=shape[0],
        out_channels=features,
        params=weights + (features if options["bias"] else 0),
        macs=weights,
        flops=weights,
    )


def _add(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    for shape in shapes:
        if shape != shapes[0]:
            raise OptionError(
                f"got {_words(shapes[0])} and {_words(shape)}; expected inputs of one shape"
            )
    return Layer(Kind.ADD, shape=shapes[0])


def _multiply(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    largest = max(shapes, key=math.prod)
    for shape in shapes:
        if shape != largest and (len(largest) != 3 or shape != (largest[0], 1, 1)):
            raise OptionError(
                f"got {_words(largest)} and {_words(shape)}; "
                "expected inputs of one shape, or of height and width 1"
            )
    return Layer(Kind.MUL, shape=largest)


def _concat(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    for shape in shapes:
        if shape[1:] != shapes[0][1:]:
            raise OptionError(
                f"got {_words(shapes[0])} and {_words(shape)}; "
                "expected inputs that differ in channels only"
            )
    return Layer(Kind.CONCAT, shape=(sum(shape[0] for shape in shapes), *shapes[0][1:]))


def _slice(options: Options, shapes: Sequence[Shape]) -> Layer:
    channels, *sides = shapes[0]
    start, stop = options["start"], options["stop"]
    if not start < stop <= channels:
        raise OptionError(
            f"got channels {start} to {stop}; expected a part of the {channels} there are"
        )
    return Layer(Kind.RESHAPE, shape=(stop - start, *sides))


def _shuffle(options: Options, shapes: Sequence[Shape]) -> Layer:
    channels, *_ = _map_of(shapes[0])
    groups = options["groups"]
    if channels % groups:
        raise OptionError(f"got groups of {groups} for {channels} channels; expected a divisor")
    return Layer(Kind.RESHAPE, shape=shapes[0])


def _upsample(options: Options, shapes: Sequence[Shape]) -> Layer:
    channels, height, width = _map_of(shapes[0])
    scale = options["scale"]
    return Layer(Kind.RESHAPE, shape=(channels, height * scale, width * scale))


def _flatten(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    return Layer(Kind.RESHAPE, shape=(math.prod(shapes[0]),))


def _identity(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    return Layer(Kind.RESHAPE, shape=shapes[0])


def _map_of(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise OptionError(f"got a vector of {shape[0]}; expected a map (channels, height, width)")
    return shape


def _slide(
    shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[int, int]:
    """Height and width after a sliding window."""
    sides = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(shape[1:], kernel, stride, padding, dilation, strict=True)
    ]
    if min(sides) < 1:
        raise OptionError(
            f"got kernel {list(kernel)} on a map of {_words(shape)}; expected one that fits"
        )
    return sides[0], sides[1]


def _words(shape: Shape) -> str:
    return " x ".join(map(str, shape))


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
}
_AFFINE = {"affine": Option(flag, default=True)}
_BIAS = {"bias": Option(flag, default=True)}
_MANY = (2, LARGEST)

OPERATIONS: Mapping[str, Operation] = {
    "conv": Operation(
        _conv,
        {"out_channels": Option(whole()), **_WINDOW, "groups": Option(whole(), 1), **_BIAS},
    ),
    "depthwise_conv": Operation(_depthwise, {"multiplier": Option(whole(), 1), **_WINDOW, **_BIAS}),
    "linear": Operation(_linear, {"out_features": Option(choice(CLASSES, whole())), **_BIAS}),
    "batch_norm": Operation(_norm, _AFFINE),
    "layer_norm": Operation(_norm, _AFFINE),
    "group_norm": Operation(_norm, {"groups": Option(whole()), **_AFFINE}),
    **{name: Operation(_activation) for name in ACTIVATIONS},
    "max_pool": Operation(_pool(Kind.MAX_POOL), _POOL),
    "avg_pool": Operation(
        _pool(Kind.AVG_POOL), {**_POOL, "count_include_pad": Option(flag, default=True)}
    ),
    "global_avg_pool": Operation(_global_pool),
    "global_max_pool": Operation(_global_pool),
    "add": Operation(_add, inputs=_MANY, commutes=True, pairwise=True),
    "multiply": Operation(_multiply, inputs=_MANY, commutes=True, pairwise=True),
    "concat": Operation(_concat, inputs=_MANY),
    "slice": Operation(_slice, {"start": Option(whole(0)), "stop": Option(whole())}),
    "channel_shuffle": Operation(_shuffle, {"groups": Option(whole())}, moves=True),
    "upsample": Operation(_upsample, {"scale": Option(whole(1, 16))}),
    "flatten": Operation(_flatten, moves=True),
    "dropout": Operation(_identity, {"p": Option(share, 0.5)}, moves=True),
    "identity": Operation(_identity, moves=True),
}
"""By name, as specifications write them."""

NOTHING = frozenset({"dropout", "identity"})
"""Operations that are no node of a canonical form."""
