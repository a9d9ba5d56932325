"""Reads the structure of an ONNX file: nodes, attributes, and the shapes of weights.

An ONNX file is a message of Protocol Buffers. The few fields that structure needs are read here
from a memory map, so that weights are neither loaded nor needed, and no library parses a hostile
file.

References
----------
ONNX project, "Open Neural Network Exchange Intermediate Representation", onnx.proto3.
"""

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from acorn.errors import InputError, abbreviate

MOST_NODES = 20_000
MOST_TENSORS = 20_000
LARGEST_CONSTANT = 65_536
"""Elements of a constant whose values are read; larger ones are weights."""

MOST_AXES = 16
LONGEST_NAME = 1_024

_DTYPES = {1: "<f4", 2: "u1", 3: "i1", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}
_FLOATS = {1, 10, 11, 16}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Message = list[tuple[int, int | memoryview]]
"""Fields of a message: number, and an integer or bytes."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A constant of a file.

    Attributes
    ----------
    shape : tuple of int
    is_float : bool
    values : ndarray or None
        None if the file has none, or more than :data:`LARGEST_CONSTANT`.
    """

    shape: tuple[int, ...]
    is_float: bool
    values: NDArray[Any] | None


@dataclass(frozen=True, slots=True)
class Operation:
    """A node of a file.

    Attributes
    ----------
    op : str
        Its type, such as ``Conv``.
    name : str
        For messages.
    inputs, outputs : tuple of str
        Names of tensors; an empty name is an input that is left out.
    attributes : dict
        Numbers, texts, lists of them, and :class:`Tensor`.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """The structure of a file.

    Attributes
    ----------
    operations : tuple of Operation
        In their order in the file.
    weights : dict of str to Tensor
    image : str
        Name of the input.
    image_shape : tuple of (int or None)
        Its shape; None is a size that the file leaves open.
    output : str
        Name of the first output.
    """

    operations: tuple[Operation, ...]
    weights: dict[str, Tensor]
    image: str
    image_shape: tuple[int | None, ...]
    output: str


def read_model(path: str | Path) -> Model:
    """Read a file.

    Parameters
    ----------
    path : str or Path
        An ONNX file.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        In one line, if there is no such file, or it is no ONNX file of a network of images.
    """
    try:
        with Path(path).open("rb") as file:
            # It is not closed here: the traceback of an error may still refer to it.
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return _model(memoryview(mapped))
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise InputError(
            f"got {path}, which cannot be read: {error}; expected an ONNX file"
        ) from None
    except _MalformedError as error:
        raise InputError(f"got {path}, which {error}; expected an ONNX file") from None


class _MalformedError(Exception):
    """The file is no ONNX file, or none that is read; the message does not name it."""


def _varint(view: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(view) and shift < 70:
        byte = view[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise _MalformedError("breaks off or is malformed")


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Read the fields of a message, without copying."""
    place = 0
    while place < len(view):
        key, place = _varint(view, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(view, place)
            yield number, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _BYTES:
            size, place = _varint(view, place)
        if size is None or size > len(view) - place or number == 0:
            raise _MalformedError("breaks off or is malformed")
        yield number, view[place : place + size]
        place += size


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise _MalformedError("has a number where a message is expected")
    return value


def _text(value: int | memoryview) -> str:
    data = _bytes(value)
    if len(data) > LONGEST_NAME:
        raise _MalformedError(f"has a name of {len(data)} bytes; expected at most {LONGEST_NAME}")
    return bytes(data).decode("utf-8", "replace")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _integers(value: int | memoryview) -> Iterator[int]:
    """Read a repeated integer: alone, or packed."""
    if isinstance(value, int):
        yield _signed(value)
        return
    place = 0
    while place < len(value):
        number, place = _varint(value, place)
        yield _signed(number)


def _model(view: memoryview) -> Model:
    graph: memoryview | None = None
    for number, value in _fields(view):
        if number == 7:  # ModelProto.graph
            graph = _bytes(value)
        elif number == 25:  # ModelProto.functions
            raise _MalformedError("has functions of its own, which are not read")
    if graph is None:
        raise _MalformedError("has no graph")
    operations: list[Operation] = []
    weights: dict[str, Tensor] = {}
    inputs: dict[str, tuple[int | None, ...]] = {}
    outputs: list[str] = []
    for number, value in _fields(graph):
        if number == 1:
            operations.append(_operation(_bytes(value)))
        elif number == 5:
            name, tensor = _tensor(_bytes(value))
            weights[name] = tensor
        elif number == 11:
            name, shape = _value_info(_bytes(value))
            inputs[name] = shape
        elif number == 12:
            outputs.append(_value_info(_bytes(value))[0])
        elif number == 15:
            raise _MalformedError("has sparse weights, which are not read")
        if len(operations) > MOST_NODES or len(weights) > MOST_TENSORS:
            raise _MalformedError(f"has more than {MOST_NODES} nodes or weights")
    images = {name: shape for name, shape in inputs.items() if name not in weights}
    if len(images) != 1 or not outputs:
        raise _MalformedError(
            f"has {len(images)} inputs and {len(outputs)} outputs; it needs images"
        )
    ((image, shape),) = images.items()
    return Model(tuple(operations), weights, image, shape, outputs[0])


def _operation(view: memoryview) -> Operation:
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: dict[str, Any] = {}
    op = name = domain = ""
    for number, value in _fields(view):
        if number == 1:
            inputs.append(_text(value))
        elif number == 2:
            outputs.append(_text(value))
        elif number == 3:
            name = _text(value)
        elif number == 4:
            op = _text(value)
        elif number == 5:
            key, attribute = _attribute(_bytes(value))
            attributes[key] = attribute
        elif number == 7:
            domain = _text(value)
    if domain not in ("", "ai.onnx"):
        raise _MalformedError(f"has the operation {abbreviate(op)} of {abbreviate(domain)}")
    if not outputs:
        raise _MalformedError(f"has the operation {abbreviate(op)} without a result")
    return Operation(op, name, tuple(inputs), tuple(outputs), attributes)


def _attribute(view: memoryview) -> tuple[str, Any]:
    name, value = "", cast(Any, None)
    numbers: list[int] = []
    floats: list[float] = []
    texts: list[str] = []
    for number, content in _fields(view):
        if number == 1:
            name = _text(content)
        elif number == 2:
            (value,) = struct.unpack("<f", _exactly(content, 4))
        elif number == 3:
            value = next(_integers(content), 0)
        elif number == 4:
            value = _text(content)
        elif number == 5:
            value = _tensor(_bytes(content))[1]
        elif number in (6, 11):
            raise _MalformedError("has control flow, which is not read")
        elif number == 7:
            data = _bytes(content)
            floats += [part for (part,) in struct.iter_unpack("<f", data[: len(data) // 4 * 4])]
        elif number == 8:
            numbers += _integers(content)
        elif number == 9:
            texts.append(_text(content))
        if len(numbers) + len(floats) > LARGEST_CONSTANT:
            raise _MalformedError(f"has an attribute of more than {LARGEST_CONSTANT} numbers")
    return name, numbers or floats or texts or value


def _exactly(content: int | memoryview, size: int) -> memoryview:
    data = _bytes(content)
    if len(data) != size:
        raise _MalformedError("breaks off or is malformed")
    return data


def _tensor(view: memoryview) -> tuple[str, Tensor]:
    name, kind = "", 0
    shape: list[int] = []
    raw: memoryview | None = None
    packed: list[tuple[int, int | memoryview]] = []
    for number, value in _fields(view):
        if number == 1:
            shape += _integers(value)
        elif number == 2:
            kind = next(_integers(value), 0)
        elif number == 8:
            name = _text(value)
        elif number == 9:
            raw = _bytes(value)
        elif number in (4, 5, 7, 10) and len(packed) <= LARGEST_CONSTANT:
            packed.append((number, value))
        if len(shape) > MOST_AXES:
            raise _MalformedError(f"has a tensor of more than {MOST_AXES} axes")
    if any(not 0 <= size < 2**31 for size in shape) or math.prod(shape) >= 2**40:
        raise _MalformedError("has a tensor of a size that is negative or too large")
    return name, Tensor(tuple(shape), kind in _FLOATS, _values(tuple(shape), kind, raw, packed))


def _values(
    shape: tuple[int, ...],
    kind: int,
    raw: memoryview | None,
    packed: list[tuple[int, int | memoryview]],
) -> NDArray[Any] | None:
    elements = math.prod(shape)
    if elements > LARGEST_CONSTANT or kind not in _DTYPES:
        return None
    if raw is not None:
        dtype = np.dtype(_DTYPES[kind])
        if len(raw) != elements * dtype.itemsize:
            return None
        return np.frombuffer(bytes(raw), dtype).reshape(shape)
    numbers: list[float] = []
    for number, value in packed:
        if number in (5, 7):
            numbers += _integers(value)
            continue
        form = "<f" if number == 4 else "<d"
        data = _bytes(value)
        size = struct.calcsize(form)
        numbers += [part for (part,) in struct.iter_unpack(form, data[: len(data) // size * size])]
    if len(numbers) != elements:
        return None
    return np.array(numbers, np.float64 if kind in _FLOATS else np.int64).reshape(shape)


def _value_info(view: memoryview) -> tuple[str, tuple[int | None, ...]]:
    name = ""
    shape: list[int | None] = []
    for number, value in _fields(view):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for kind, content in _fields(_bytes(value)):
                if kind == 1:  # TypeProto.tensor_type
                    shape = _shape(_bytes(content))
    return name, tuple(shape)


def _shape(view: memoryview) -> list[int | None]:
    shape: list[int | None] = []
    for number, value in _fields(view):
        if number != 2:  # TypeProto.Tensor.shape
            continue
        for kind, dimension in _fields(_bytes(value)):
            if kind != 1:
                continue
            size = None
            for part, content in _fields(_bytes(dimension)):
                if part == 1 and isinstance(content, int):
                    size = _signed(content)
            shape.append(size if size and size > 0 else None)
            if len(shape) > MOST_AXES:
                raise _MalformedError(f"has an input of more than {MOST_AXES} axes")
    return shape
