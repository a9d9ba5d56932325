"""Layers of the operations on tensors of any rank: shapes and cost by arithmetic.

Axes are counted as torch does: the batch is axis 0, so that 1 is the first axis of a shape here.
"""

import math
from collections.abc import Callable, Sequence

from acorn.graph import Kind, Layer
from acorn.spaces.graph.node_options import OptionError, Options

Shape = tuple[int, ...]
"""Shape of a tensor without its batch."""

REDUCTIONS = ("mean", "max", "min", "sum", "norm", "var", "std")
"""Functions of ``reduce``; ``norm`` is the Euclidean one."""

FUNCTIONS = (
    "sqrt", "rsqrt", "exp", "log", "abs", "reciprocal", "sin", "cos", "erf", "sign", "pow",
    "maximum", "minimum", "addcmul",
)  # fmt: skip
"""Functions of single elements that ``function`` applies."""


def in_words(shape: Shape) -> str:
    """Write a shape for a message.

    Parameters
    ----------
    shape : tuple of int
        Any shape.

    Returns
    -------
    str
        Such as ``3 x 32 x 32``.
    """
    return " x ".join(map(str, shape))


def place_of(axis: int, shape: Shape) -> int:
    """Convert an axis to an index of a shape; raises :class:`OptionError` if there is none."""
    if axis > len(shape):
        raise OptionError(f"got axis {axis} of {in_words(shape)}; expected 1 to {len(shape)}")
    return axis - 1


def broadcast(shapes: Sequence[Shape], expected: str) -> Shape:
    """Broadcast shapes of one rank; raises :class:`OptionError` that says what is expected."""
    first = shapes[0]
    result = list(first)
    for shape in shapes:
        fits = len(shape) == len(first)
        for place, size in enumerate(shape if fits else ()):
            fits = fits and (size == result[place] or 1 in (size, result[place]))
            result[place] = size if result[place] == 1 else result[place]
        if not fits:
            got = f"{in_words(first)} and {in_words(shape)}"
            raise OptionError(f"got {got}; expected {expected}")
    return tuple(result)


def reshape(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Move all elements into another shape, in their order."""
    shape = tuple(options["shape"])
    if math.prod(shape) != math.prod(shapes[0]):
        raise OptionError(
            f"got shape {in_words(shape)} for {in_words(shapes[0])}; expected as many elements"
        )
    return Layer(Kind.RESHAPE, shape=shape)


def permute(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Reorder the axes."""
    (shape,) = shapes
    if sorted(options["axes"]) != [*range(1, len(shape) + 1)]:
        raise OptionError(f"got axes {options['axes']}; expected each of 1 to {len(shape)} once")
    return Layer(Kind.RESHAPE, shape=tuple(shape[axis - 1] for axis in options["axes"]))


def expand(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Repeat axes of size 1."""
    shape = tuple(options["shape"])
    if broadcast([shapes[0], shape], "a shape that it expands to") != shape:
        raise OptionError(f"got {in_words(shapes[0])}; expected one that expands to {shape}")
    return Layer(Kind.RESHAPE, shape=shape)


def keep(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    """Keep the shape, and compute nothing that counts."""
    return Layer(Kind.RESHAPE, shape=shapes[0])


def pad(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Add or cut elements at both ends of the last axes."""
    shape, padding = [*shapes[0]], options["padding"]
    if len(padding) % 2 or len(padding) > 2 * len(shape):
        raise OptionError(f"got padding {padding}; expected two numbers for each of the last axes")
    for place in range(len(padding) // 2):
        shape[-1 - place] += padding[2 * place] + padding[2 * place + 1]
    if min(shape) < 1:
        raise OptionError(f"got padding {padding} for {in_words(shapes[0])}; expected less")
    return Layer(Kind.RESHAPE, shape=tuple(shape))


def cut(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Take a part of one axis."""
    shape = [*shapes[0]]
    place = place_of(options["axis"], shapes[0])
    start, stop = options["start"], options["stop"]
    if not start < stop <= shape[place]:
        raise OptionError(
            f"got channels {start} to {stop}; expected a part of the {shape[place]} there are"
        )
    shape[place] = math.ceil((stop - start) / options["step"])
    return Layer(Kind.RESHAPE, shape=tuple(shape))


def select(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Take one index of an axis, and drop the axis."""
    (shape,) = shapes
    place = place_of(options["axis"], shape)
    if options["index"] >= shape[place] or len(shape) == 1:
        raise OptionError(
            f"got index {options['index']} of axis {options['axis']} of {in_words(shape)}; "
            "expected one that there is, and another axis"
        )
    return Layer(Kind.RESHAPE, shape=shape[:place] + shape[place + 1 :])


def along(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Move elements along some axes."""
    for axis in options["axes"]:
        place_of(axis, shapes[0])
    if len(options.get("shifts", options["axes"])) != len(options["axes"]):
        raise OptionError(f"got shifts {options['shifts']}; expected one for each axis")
    return Layer(Kind.RESHAPE, shape=shapes[0])


def windows(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Cut one axis into windows, whose elements are a new last axis."""
    shape = [*shapes[0]]
    place = place_of(options["axis"], shapes[0])
    size = options["size"]
    if size > shape[place]:
        raise OptionError(f"got windows of {size} in {in_words(shapes[0])}; expected smaller ones")
    shape[place] = (shape[place] - size) // options["step"] + 1
    return Layer(Kind.RESHAPE, shape=(*shape, size))


def concat(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Join along one axis."""
    place = place_of(options["axis"], shapes[0])
    first = shapes[0]
    for shape in shapes:
        if shape[:place] + shape[place + 1 :] != first[:place] + first[place + 1 :] or len(
            shape
        ) != len(first):
            got = f"{in_words(first)} and {in_words(shape)}"
            expected = "channels" if place == 0 else f"axis {place + 1}"
            raise OptionError(f"got {got}; expected inputs that differ in {expected} only")
    size = sum(shape[place] for shape in shapes)
    return Layer(Kind.CONCAT, shape=(*first[:place], size, *first[place + 1 :]))


def matmul(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    """Multiply the matrices in the last two axes."""
    left, right = shapes
    if min(len(left), len(right)) < 2 or left[-1] != right[-2]:
        raise OptionError(
            f"got {in_words(left)} and {in_words(right)}; expected matrices that can be multiplied"
        )
    batch = broadcast([left[:-2], right[:-2]], "matrices in equal numbers")
    macs = math.prod(batch) * left[-2] * left[-1] * right[-1]
    shape = (*batch, left[-2], right[-1])
    return Layer(Kind.MATMUL, shape=shape, macs=macs, flops=macs)


def softmax(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Normalise exponentials along one axis."""
    place_of(options["axis"], shapes[0])
    return Layer(Kind.ACTIVATION, shape=shapes[0], flops=math.prod(shapes[0]))


def prelu(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Scale negative elements by learned slopes."""
    if options["slopes"] not in (1, shapes[0][0]):
        raise OptionError(f"got {options['slopes']} slopes; expected 1 or {shapes[0][0]}")
    elements = math.prod(shapes[0])
    return Layer(Kind.ACTIVATION, shape=shapes[0], flops=elements, params=options["slopes"])


def reduce(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Summarise over axes: global pooling if these are the places of a map or of tokens."""
    (shape,) = shapes
    places = {place_of(axis, shape) for axis in options["axes"]}
    kept = ((1,) if place in places else (size,) for place, size in enumerate(shape))
    dropped = ((size,) for place, size in enumerate(shape) if place not in places)
    result = sum(kept if options["keepdim"] else dropped, ())
    if not result:
        raise OptionError("got a reduction of all axes; expected one that leaves an axis")
    rank, axes = len(shape), {place + 1 for place in places}
    is_pool = (
        (rank == 3 and axes in ({2, 3}, {1, 2}))
        or (rank == 2 and axes == {1})
        or (rank == 2 and axes == {2} and not options["keepdim"])
    )
    if not is_pool or options["function"] not in ("mean", "max"):
        return Layer(Kind.OTHER, shape=result)
    window = tuple(shape[place] for place in sorted(places))
    return Layer(
        Kind.GLOBAL_POOL,
        shape=result,
        kernel=window,
        stride=window,
        dilation=(1,) * len(window),
        flops=math.prod(result) * math.prod(size + 1 for size in window),
    )


def function(options: Options, shapes: Sequence[Shape]) -> Layer:
    """Apply a function to single elements."""
    count = {"maximum": 2, "minimum": 2, "addcmul": 3}.get(options["function"], 1)
    if len(shapes) != count:
        raise OptionError(f"got {len(shapes)} inputs; expected {count} for {options['function']}")
    return Layer(Kind.OTHER, shape=broadcast(shapes, "inputs of one shape"))


def pairwise(kind: Kind, expected: str) -> Callable[[Options, Sequence[Shape]], Layer]:
    """Make the rule of an operation on equal places of its inputs."""

    def apply(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
        return Layer(kind, shape=broadcast(shapes, expected))

    return apply


def parameter(options: Options, shapes: Sequence[Shape]) -> Layer:  # noqa: ARG001
    """Make a learned tensor; without learned numbers, one of zeros."""
    return Layer(Kind.OTHER, shape=tuple(options["shape"]), params=options["size"])
