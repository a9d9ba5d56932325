"""Reading safetensors: plain arrays, no code."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from acorn.errors import BundleError


def read_tensors(content: bytes) -> dict[str, NDArray[Any]]:
    """Parse a safetensors file; raises BundleError."""
    try:
        tensors: dict[str, NDArray[Any]] = load(content)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise BundleError(f"not a safetensors file of numpy arrays: {error}") from error
    return tensors


def expect_tensors(
    arrays: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[Any, int]]
) -> None:
    """Hold names, types and numbers of dimensions against ``expected``; raises BundleError."""
    if set(arrays) != set(expected):
        raise BundleError(f"got the arrays {sorted(arrays)}; expected {sorted(expected)}")
    for name, (dtype, dimensions) in expected.items():
        array = arrays[name]
        if array.dtype != dtype or array.ndim != dimensions:
            got = f"{array.dtype} of {array.ndim} dimensions"
            raise BundleError(f"{name} is {got}; expected {np.dtype(dtype)} of {dimensions}")
