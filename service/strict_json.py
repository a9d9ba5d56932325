"""JSON as its standard has it, in UTF-8, not too deep; errors say where."""

import json
import math

from service.problems import InvalidRequestError, MalformedBodyError, ProblemItem

MAX_DEPTH = 64


class _NotFinite:
    """Stands for NaN, Infinity or a number beyond them until its place is known."""

    def __init__(self, text: str) -> None:
        self.text = text


def parse_json(body: bytes) -> object:
    """Parse a document.

    Raises
    ------
    MalformedBodyError
        If it is not JSON in UTF-8, or nested deeper than :data:`MAX_DEPTH`.
    InvalidRequestError
        If it holds NaN or Infinity, which JSON does not know, or lone surrogates, which no text
        has; lists the places.
    """
    try:
        document = json.loads(
            body.decode("utf-8"), parse_constant=_NotFinite, parse_float=_parse_float
        )
    except UnicodeDecodeError as error:
        raise MalformedBodyError(f"the body is not UTF-8: bad byte at {error.start}") from None
    except json.JSONDecodeError as error:
        raise MalformedBodyError(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # of int(), for thousands of digits
        raise MalformedBodyError("the body holds a number of too many digits") from None
    _check_values(document)
    return document


def _parse_float(text: str) -> float | _NotFinite:
    value = float(text)
    return value if math.isfinite(value) else _NotFinite(text)


def _check_values(document: object) -> None:
    bad: list[ProblemItem] = []
    level: list[tuple[str, object]] = [("", document)]
    for _ in range(MAX_DEPTH):
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
        if not deeper:
            break
        level = deeper
    else:
        raise _too_deep()
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
