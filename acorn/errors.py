"""Every error that Acorn raises on purpose.

::

    AcornError
    ├── InputError                   input of the caller cannot be used (exit code 2, HTTP 4xx)
    │   ├── UnknownSpaceError
    │   ├── UnknownDatasetError
    │   ├── UnknownTargetError
    │   ├── UnknownProxyError
    │   ├── InvalidArchitectureError
    │   ├── InvalidBatchError
    │   ├── InvalidTableError        a label or feature table that lacks a required part
    │   └── TimeBudgetError          more to compute than fits in the time allowed
    ├── BundleError                  a forest bundle that is missing, changed, malformed or too new
    └── MismatchError                features of one setting offered to a forest of another

Messages are one line: what was got, and what was expected. All errors can be pickled and copied.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeVar

E = TypeVar("E", bound="AcornError")


class AcornError(Exception):
    """Base of all errors that Acorn raises on purpose.

    Errors are pickled and copied with their message and attributes, whatever arguments their class
    takes. Cause, context and traceback are lost, as for every Python exception, because they may
    hold objects that cannot be pickled.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from message and attributes.

        By default Python calls the class with ``args``, here the message, but most classes take
        other arguments.
        """
        return _rebuild, (type(self), self.args), self.__dict__.copy()


class InputError(AcornError):
    """Input of the caller that cannot be used."""


class UnknownNameError(InputError):
    """A name that is not registered; the message lists those that are."""

    kind = "name"

    def __init__(self, got: object, known: Iterable[str]) -> None:
        self.got = got
        self.known = sorted(known)
        super().__init__(
            f"unknown {self.kind} {abbreviate(got)}; expected one of {', '.join(self.known)}"
        )


class UnknownSpaceError(UnknownNameError):
    """An architecture space that is not registered."""

    kind = "space"


class UnknownDatasetError(UnknownNameError):
    """A dataset that is not registered, or that a space or bundle does not cover."""

    kind = "dataset"


class UnknownTargetError(UnknownNameError):
    """A target that a forest or a label table does not have."""

    kind = "target"


class UnknownProxyError(UnknownNameError):
    """A proxy that is not registered."""

    kind = "proxy"


class InvalidArchitectureError(InputError):
    """A specification that its space cannot read."""


class InvalidBatchError(InputError):
    """Images or labels of a wrong kind, shape or range."""


class InvalidTableError(InputError):
    """A label or feature table that lacks a required part."""


class TimeBudgetError(InputError):
    """More to compute than fits in the time allowed."""


class BundleError(AcornError):
    """A forest bundle that is missing, changed, malformed or too new."""


class MismatchError(AcornError):
    """Features of one setting (batch, seed, engine) offered to a forest of another."""


def _rebuild(cls: type[E], args: tuple[object, ...]) -> E:
    error = cls.__new__(cls)
    error.args = args  # OSError.__new__ would keep none of them
    return error


def one_line(error: BaseException) -> str:
    """Put the type and the message of an error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def abbreviate(value: object, limit: int = 80) -> str:
    """Quote a value for an error message.

    Parameters
    ----------
    value : object
        Anything, however large or deeply nested.
    limit : int, default=80
        Largest number of characters, about.

    Returns
    -------
    str
        Its ``repr`` on one line, cut short.
    """
    text = _bounded_repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}… ({len(text)} characters)"


def _bounded_repr(value: object, depth: int = 3, width: int = 8) -> str:
    """Like ``repr``, but quick for huge integers and for huge or endlessly nested containers."""
    if isinstance(value, int) and value.bit_length() > 1_000:
        return f"<integer of {value.bit_length()} bits>"  # repr refuses integers this long
    if not isinstance(value, list | tuple | dict):
        return repr(value)
    items = value.items() if isinstance(value, dict) else value
    parts = ["…"]
    if depth:
        parts = [
            ": ".join(_bounded_repr(part, depth - 1) for part in item)
            if isinstance(value, dict)
            else _bounded_repr(item, depth - 1)
            for item in islice(items, width)
        ]
        parts += ["…"] if len(value) > width else []
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    if isinstance(value, tuple):
        opening, closing = "()"
    return f"{opening}{', '.join(parts)}{closing}"
