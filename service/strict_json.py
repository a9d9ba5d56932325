"""JSON as its standard has it, in UTF-8, not too deep; errors say where."""

import json
import math
import re
from collections import Counter
from typing import Any

from acorn.schemas.problems import ProblemItem
from service.errors import InvalidRequestError, MalformedBodyError

MAX_DEPTH = 64

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONGEST_KEY = 40


class _NotFinite:
    """Stands for NaN, Infinity or a number beyond them until its place is known."""

    def __init__(self, text: str) -> None:
        self.text = text


class _RepeatedKeyError(Exception):
    """An object has a key twice, so that readers differ over what it says."""


def parse_json(body: bytes) -> object:
    """Parse a document.

    Raises
    ------
    MalformedBodyError
        If it is not JSON in UTF-8, nested deeper than :data:`MAX_DEPTH`, or has a key twice in one
        object.
    InvalidRequestError
        If it holds NaN or Infinity, which JSON does not know, or lone surrogates, which no text
        has; lists the places.
    """
    suspects: list[_NotFinite] = []

    def not_finite(text: str) -> _NotFinite:
        suspects.append(_NotFinite(text))
        return suspects[-1]

    def parse_float(text: str) -> float | _NotFinite:
        value = float(text)
        return value if math.isfinite(value) else not_finite(text)

    try:
        document = json.loads(
            body.decode("utf-8"),
            parse_constant=not_finite,
            parse_float=parse_float,
            object_pairs_hook=_without_repeats,
        )
    except UnicodeDecodeError as error:
        raise MalformedBodyError(f"the body is not UTF-8: bad byte at {error.start}") from None
    except json.JSONDecodeError as error:
        raise MalformedBodyError(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except _RepeatedKeyError as error:
        raise MalformedBodyError(f"got the key {error} twice in one object") from None
    except ValueError:  # of int(), for thousands of digits
        raise MalformedBodyError("the body holds a number of too many digits") from None
    _check_depth(document)
    if suspects or _SURROGATE.search(body):
        _check_values(document)
    return document


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((repeated, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise _RepeatedKeyError(ascii(repeated[:_LONGEST_KEY]))
    return found


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
    raise _too_deep()


def _check_values(document: object) -> None:
    """Find the places of what is no number or no text; pointers make it slow."""
    bad: list[ProblemItem] = []
    level: list[tuple[str, object]] = [("", document)]
    while level:
        deeper: list[tuple[str, object]] = []
        for pointer, value in level:
            if isinstance(value, dict):
                deeper += [(f"{pointer}/{escape(key)}", item) for key, item in value.items()]
                bad += [_not_text(pointer) for key in value if not _is_text(key)]
            elif isinstance(value, list):
                deeper += [(f"{pointer}/{i}", item) for i, item in enumerate(value)]
            elif isinstance(value, str):
                bad += [] if _is_text(value) else [_not_text(pointer)]
            elif isinstance(value, _NotFinite):
                detail = f"got {value.text[:40]}; expected a finite number"
                bad.append(ProblemItem(pointer=pointer, detail=detail))
        level = deeper
    if bad:
        raise InvalidRequestError(bad)


def _is_text(value: str) -> bool:
    """Whether a string has no lone surrogates, which JSON can write and UTF-8 cannot."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_text(pointer: str) -> ProblemItem:
    pointer = pointer.encode("utf-8", "backslashreplace").decode()
    return ProblemItem(pointer=pointer, detail="got a lone surrogate; expected Unicode text")


def _too_deep() -> MalformedBodyError:
    return MalformedBodyError(f"the body is nested deeper than {MAX_DEPTH} levels")


def escape(key: str) -> str:
    """Escape a name for use in a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
