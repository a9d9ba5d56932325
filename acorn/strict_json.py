"""Strict JSON (RFC 8259): UTF-8, finite numbers, no key twice, limited depth."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from acorn.errors import InputError

MAX_DEPTH = 64

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_MAX_SHOWN = 40


class JSONError(InputError):
    """A document that is not strict JSON. The message has no subject: 'is not JSON: ...'.

    Parameters
    ----------
    reason : str
        What is wrong with the document.
    items : sequence of (str, str), default=()
        JSON pointer and message of each invalid value, if the syntax is valid.

    Attributes
    ----------
    items : list of (str, str)
    """

    def __init__(self, reason: str, items: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(reason)
        self.items = list(items)


class _NotFinite:
    """Placeholder for NaN, Infinity or a number that is too large, until its place is known."""

    def __init__(self, text: str) -> None:
        self.text = text


def parse_json(text: bytes | str) -> object:
    """Parse a document.

    Parameters
    ----------
    text : bytes or str
        The document.

    Returns
    -------
    object
        Dictionaries, lists, strings, numbers, booleans and None.

    Raises
    ------
    JSONError
        If it is not JSON in UTF-8, is nested deeper than :data:`MAX_DEPTH`, has a key twice in one
        object, a number that is not finite, or a lone surrogate.
    """
    not_finite: list[_NotFinite] = []

    def parse_constant(constant: str) -> _NotFinite:
        not_finite.append(_NotFinite(constant))
        return not_finite[-1]

    def parse_float(number: str) -> float | _NotFinite:
        value = float(number)
        return value if math.isfinite(value) else parse_constant(number)

    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        document = json.loads(
            text,
            parse_constant=parse_constant,
            parse_float=parse_float,
            object_pairs_hook=_without_repeats,
        )
    except UnicodeDecodeError as error:
        raise JSONError(f"is not UTF-8: bad byte at {error.start}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise JSONError(f"is not JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise JSONError(f"is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError:  # of int(), for thousands of digits
        raise JSONError("holds a number of too many digits") from None
    _check_depth(document)
    if not_finite or _SURROGATE.search(text):
        _check_values(document)
    return document


def escape(key: str) -> str:
    """Escape a key for use in a JSON pointer (RFC 6901).

    Parameters
    ----------
    key : str
        Key of an object.

    Returns
    -------
    str
        Part of a pointer.
    """
    return key.replace("~", "~0").replace("/", "~1")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        ((repeated, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise JSONError(f"has the key {repeated[:_MAX_SHOWN]!a} twice in one object")
    return values


def _check_depth(document: object) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        deeper: list[object] = []
        for value in level:
            if isinstance(value, dict):
                deeper += value.values()
            elif isinstance(value, list):
                deeper += value
        if not deeper:
            return
        level = deeper
    raise JSONError(f"is nested deeper than {MAX_DEPTH} levels")


def _check_values(document: object) -> None:
    """Find all numbers that are not finite and all lone surrogates, with their places."""
    items: list[tuple[str, str]] = []
    level: list[tuple[str, object]] = [("", document)]
    while level:
        deeper: list[tuple[str, object]] = []
        for pointer, value in level:
            if isinstance(value, dict):
                deeper += [(f"{pointer}/{escape(key)}", item) for key, item in value.items()]
                items += [_surrogate_item(pointer) for key in value if not _is_text(key)]
            elif isinstance(value, list):
                deeper += [(f"{pointer}/{i}", item) for i, item in enumerate(value)]
            elif isinstance(value, str) and not _is_text(value):
                items.append(_surrogate_item(pointer))
            elif isinstance(value, _NotFinite):
                items.append((pointer, f"got {value.text[:_MAX_SHOWN]}; expected a finite number"))
        level = deeper
    if items:
        raise JSONError(f"has invalid values: {items[0][1]}", items)


def _is_text(value: str) -> bool:
    """Tell whether a string has no lone surrogates, which JSON can write and UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _surrogate_item(pointer: str) -> tuple[str, str]:
    pointer = pointer.encode("utf-8", "backslashreplace").decode()
    return pointer, "got a lone surrogate; expected Unicode text"
