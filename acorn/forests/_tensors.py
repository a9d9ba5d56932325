"""Named arrays in one safetensors file, compressed without loss: plain data, no code.

An array is stored as it is or, if that is smaller, as a Zstandard stream of its bytes or of its
shuffled bytes (the first byte of every number, then the second, and so on: exponents repeat,
mantissas do not). A compressed array is a tensor of bytes under its own name. The metadata of the
file then give its type and shape, so that its size is known before it is decompressed.
"""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import zstandard
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from acorn.errors import BundleError

Array = NDArray[Any]

MOST_BYTES = 1 << 29
"""Most bytes that the compressed arrays of a file may have once decompressed."""

_LEVEL = 19
_METADATA = "compressed"


class _Layout(BaseModel):
    """Type and shape of an array before it was compressed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Literal[
        "uint8", "uint16", "uint32", "uint64", "int16", "int32", "float16", "float32", "float64"
    ]
    shape: list[Annotated[int, Field(ge=0, le=MOST_BYTES)]]
    shuffled: bool

    @property
    def size(self) -> int:
        """Number of bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


_LAYOUTS = TypeAdapter(dict[str, _Layout])


def write_tensors(arrays: Mapping[str, Array]) -> bytes:
    """Serialise arrays.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays by name.

    Returns
    -------
    bytes
        A safetensors file, which :func:`read_tensors` reads.
    """
    stored: dict[str, Array] = {}
    layouts: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        compressor = zstandard.ZstdCompressor(level=_LEVEL)
        plain = compressor.compress(array.tobytes())
        shuffled = compressor.compress(_shuffled(array))
        smaller = min(plain, shuffled, key=len)
        stored[name] = np.asarray(array, order="C")
        if len(smaller) < array.nbytes:
            stored[name] = np.frombuffer(smaller, np.uint8)
            layouts[name] = {
                "dtype": array.dtype.name,
                "shape": array.shape,
                "shuffled": smaller is shuffled,
            }
    return save(stored, {_METADATA: json.dumps(layouts)} if layouts else None)


def read_tensors(content: bytes) -> dict[str, Array]:
    """Read a safetensors file.

    Parameters
    ----------
    content : bytes
        What :func:`write_tensors` gave, or any safetensors file.

    Returns
    -------
    dict of str to ndarray
        Arrays by name.

    Raises
    ------
    BundleError
        If it is no such file, or its arrays would take more than MOST_BYTES.
    """
    try:
        stored: dict[str, Array] = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header.get("__metadata__", {}).get(_METADATA, "{}")
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"not a safetensors file of numpy arrays: {error}") from error
    try:
        layouts = _LAYOUTS.validate_json(metadata)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]["msg"]
        raise BundleError(f"the layout of a compressed array is malformed: {first}") from error
    if (total := sum(layout.size for layout in layouts.values())) > MOST_BYTES:
        raise BundleError(f"got arrays of {total} bytes; expected at most {MOST_BYTES}")
    if unknown := layouts.keys() - stored.keys():
        raise BundleError(f"there is no array {', '.join(sorted(unknown))} to decompress")
    return stored | {
        name: _decompressed(name, stored[name], layout) for name, layout in layouts.items()
    }


def expect_tensors(arrays: Mapping[str, Array], expected: Mapping[str, tuple[Any, int]]) -> None:
    """Check the names, types and numbers of dimensions of arrays.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays by name.
    expected : mapping of str to (dtype, int)
        Type and number of dimensions of each array.

    Raises
    ------
    BundleError
        If an array is missing, not expected, or of another type or number of dimensions.
    """
    if set(arrays) != set(expected):
        raise BundleError(f"got the arrays {sorted(arrays)}; expected {sorted(expected)}")
    for name, (dtype, dimensions) in expected.items():
        array = arrays[name]
        if array.dtype != dtype or array.ndim != dimensions:
            got = f"{array.dtype} of {array.ndim} dimensions"
            raise BundleError(f"{name} is {got}; expected {np.dtype(dtype)} of {dimensions}")


def _shuffled(array: Array) -> bytes:
    numbers = np.ascontiguousarray(array).reshape(-1, 1)
    return numbers.view(np.uint8).T.tobytes()


def _decompressed(name: str, stored: Array, layout: _Layout) -> Array:
    stream = stored.tobytes()
    try:
        declared = zstandard.get_frame_parameters(stream).content_size
        if declared != layout.size:  # decompress() would allocate what the stream declares
            raise BundleError(f"{name} declares {declared} bytes; expected {layout.size}")
        decompressor = zstandard.ZstdDecompressor()
        content = decompressor.decompress(stream, layout.size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise BundleError(f"{name} cannot be decompressed: {error}") from error
    if layout.shuffled:
        planes = np.frombuffer(content, np.uint8).reshape(np.dtype(layout.dtype).itemsize, -1)
        content = planes.T.tobytes()
    return np.frombuffer(bytearray(content), layout.dtype).reshape(layout.shape)
