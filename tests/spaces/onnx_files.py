"""Writes small ONNX files, field by field."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, shape: Sequence[int], values: Iterable[int] | None = None) -> bytes:
    """A tensor of floats without values, or of integers with values."""
    data = b"".join(field(1, size) for size in shape) + field(8, name)
    if values is None:
        return data + field(2, 1)
    return data + field(2, 7) + field(9, struct.pack(f"<{len(values := [*values])}q", *values))


def attribute(name: str, value: Any) -> bytes:
    data = field(1, name)
    if isinstance(value, float):
        return data + varint(2 << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return data + field(3, value)
    if isinstance(value, str):
        return data + field(4, value)
    if isinstance(value, bytes):
        return data + field(5, value)
    return data + b"".join(field(8, number) for number in value)


def node(op: str, inputs: str, output: str, **attributes: Any) -> bytes:
    """One operation; names of inputs are separated by spaces."""
    data = b"".join(field(1, name) for name in inputs.split()) + field(2, output)
    data += field(3, f"/{output}") + field(4, op)
    return data + b"".join(field(5, attribute(*item)) for item in attributes.items())


def value(name: str, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(
        field(1, field(1, size) if isinstance(size, int) else field(2, size)) for size in shape
    )
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, sizes)))


def model(
    nodes: Iterable[bytes],
    weights: Mapping[str, Sequence[int]],
    constants: Mapping[str, Sequence[int] | int] | None = None,
    *,
    image: Sequence[int | str] = (1, 3, 32, 32),
    output: str = "logits",
) -> bytes:
    """A file with one graph."""
    graph = b"".join(field(1, item) for item in nodes)
    graph += b"".join(field(5, tensor(name, shape)) for name, shape in weights.items())
    for name, values in (constants or {}).items():
        shape, items = ([], [values]) if isinstance(values, int) else ([len(values)], [*values])
        graph += field(5, tensor(name, shape, items))
    graph += field(11, value("images", image)) + field(12, value(output, (1, 10)))
    return field(1, 8) + field(2, "tests") + field(7, graph) + field(8, field(2, 18))


CONVOLUTIONS = model(
    [
        node("Conv", "images w1 b1", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", "c scale shift mean variance", "n", epsilon=1e-3),
        node("Sigmoid", "n", "s"),
        node("Mul", "n s", "silu"),
        node("MaxPool", "silu", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", "p", "g"),
        node("Flatten", "g", "f"),
        node("Gemm", "f w2 b2", "logits", transB=1),
    ],
    {
        "w1": (8, 3, 3, 3),
        "b1": (8,),
        "scale": (8,),
        "shift": (8,),
        "mean": (8,),
        "variance": (8,),
        "w2": (10, 8),
        "b2": (10,),
    },
    image=("batch", 3, 32, 32),
)
"""A convolution with a norm, an activation of two operations, a pooling and a linear layer."""
