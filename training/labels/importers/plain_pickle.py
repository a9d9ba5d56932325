"""Pickles that hold plain containers and numbers only: nothing of the file is ever run."""

import bz2
import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from acorn.errors import InvalidTableError

MOST_BYTES = 256 * 2**20
"""Most bytes of one pickle, uncompressed."""

UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
)
"""What a damaged pickle, or one with other content, raises."""


def read_plain_pickle(path: Path) -> Any:
    """Read a pickle of dictionaries, lists, tuples, sets, text and numbers.

    Parameters
    ----------
    path : pathlib.Path
        The file; compressed by bzip2 if its name ends in ``bz2``.

    Returns
    -------
    object
        The content. Scalars of NumPy become Python's numbers.

    Raises
    ------
    InvalidTableError
        If the file is missing or damaged, is larger than :data:`MOST_BYTES`, or asks for anything
        else, such as a function; the message names it, and nothing is called.
    """
    try:
        with bz2.open(path) if path.suffix.endswith("bz2") else path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InvalidTableError(f"{path} holds more than {MOST_BYTES >> 20} MiB")
        return _PlainUnpickler(io.BytesIO(content), path).load()
    except FileNotFoundError:
        raise InvalidTableError(f"there is no {path}") from None
    except UNREADABLE as error:
        raise InvalidTableError(f"{path} is truncated or no pickle: {error!r}") from error


class _Dtype:
    """Stands for ``numpy.dtype`` of a number."""

    def __init__(self, code: str, *_: object) -> None:
        self.format = {
            "f2": "e", "f4": "f", "f8": "d", "b1": "?", "i1": "b", "i2": "h", "i4": "i",
            "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
        }[code]  # fmt: skip
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = {"<": "<", ">": ">", "|": "<", "=": "<"}[state[1]]


def _scalar(dtype: _Dtype, content: bytes) -> Any:
    """Stands for the function that makes a NumPy scalar."""
    return struct.unpack(dtype.order + dtype.format, content)[0]


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
}


class _PlainUnpickler(pickle.Unpickler):
    """Refuses every name but those of :data:`_ADMITTED`; protocol 2 writes sets by name."""

    def __init__(self, file: io.BytesIO, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        module = {"__builtin__": "builtins"}.get(module, module)
        if (module, name) not in _ADMITTED:
            raise InvalidTableError(
                f"{self._path} is refused: it asks for {f'{module}.{name}':.80}; expected plain "
                "containers and numbers"
            )
        return _ADMITTED[module, name]
