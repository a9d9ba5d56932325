"""Text forms that several spaces read: an index of a benchmark, and a list of integers.

Both functions return None if a specification has another form, so that a space can try both. They
run in time linear in the length of a text, and never evaluate it.
"""

import re
from numbers import Integral

from acorn.errors import InvalidArchitectureError, abbreviate

_INDEX = re.compile(r"-?(?:0|[1-9][0-9]*)")
_LONGEST_INDEX = 12
_LONGEST_LIST = 200
_INTEGER = re.compile(r"[0-9]{1,4}")
_CLOSING = {"[": "]", "(": ")"}


def read_index(spec: object, size: int, *, benchmark: str) -> int | None:
    """Read an index of a benchmark: an integer, or its decimal digits.

    Parameters
    ----------
    spec : object
        ``1462`` or ``"1462"``. Booleans are not read, and neither are digits with leading zeros:
        those of ``"003143"`` may be the choices of six edges.
    size : int
        Number of architectures.
    benchmark : str
        Name of the benchmark, for the error.

    Returns
    -------
    int or None
        From 0 to ``size - 1``; None if ``spec`` is no integer.

    Raises
    ------
    InvalidArchitectureError
        If the integer is out of range.
    """
    index: int | None = None
    if isinstance(spec, str):
        text = spec.strip()
        if _INDEX.fullmatch(text) is None:
            return None
        if len(text) <= _LONGEST_INDEX:
            index = int(text)
    else:
        index = _as_integer(spec)
        if index is None:
            return None
    if index is None or not 0 <= index < size:
        raise InvalidArchitectureError(
            f"got index {abbreviate(spec)}; expected 0 to {size - 1}, in the order of {benchmark}"
        )
    return index


def read_integers(spec: object, length: int) -> tuple[int, ...] | None:
    """Read a list of so many integers: a list, a tuple, or the text of one.

    Parameters
    ----------
    spec : object
        ``[64, 8, 8, 8, 8]``, ``(64, 8, 8, 8, 8)`` or one of these as text.
    length : int
        Number of integers.

    Returns
    -------
    tuple of int or None
        None if ``spec`` is no such list.
    """
    if isinstance(spec, str):
        return _read_text(spec.strip(), length)
    if not isinstance(spec, list | tuple) or len(spec) != length:
        return None
    integers = [integer for item in spec if (integer := _as_integer(item)) is not None]
    return tuple(integers) if len(integers) == length else None


def _read_text(text: str, length: int) -> tuple[int, ...] | None:
    if not 2 <= len(text) <= _LONGEST_LIST or _CLOSING.get(text[0]) != text[-1]:
        return None
    words = [word.strip() for word in text[1:-1].split(",")]
    if words[-1] == "":  # after a trailing comma
        words.pop()
    if len(words) != length or not all(map(_INTEGER.fullmatch, words)):
        return None
    return tuple(map(int, words))


def _as_integer(value: object) -> int | None:
    """Convert an integer of any type, NumPy's included; None for booleans and other values."""
    return None if isinstance(value, bool) or not isinstance(value, Integral) else int(value)
