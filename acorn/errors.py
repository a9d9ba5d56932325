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

import reprlib
import sys
from collections.abc import Iterable
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
    """Put the type and the message of an error on one line.

    Parameters
    ----------
    error : BaseException
        Any exception.

    Returns
    -------
    str
        Such as ``ValueError: got 1; expected 2``.
    """
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
    text = _REPR.repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}… ({len(text)} characters)"


class _BoundedRepr(reprlib.Repr):
    """Quick also for huge integers, and for huge or endlessly nested containers."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 8
        self.maxstring = self.maxlong = self.maxother = sys.maxsize  # abbreviate() cuts these
        self.fillvalue = "…"

    def repr_int(self, x: int, level: int) -> str:
        """Name the length of an integer for which ``repr`` takes long, or refuses."""
        bits = x.bit_length()
        return f"<integer of {bits} bits>" if bits > 1_000 else super().repr_int(x, level)


_REPR = _BoundedRepr()
