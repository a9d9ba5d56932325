"""Options of graph nodes: permitted values, and their form in JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from acorn.errors import abbreviate

LARGEST = 65_536
"""Largest value of an option; products of a few such values fit every check."""

LIMIT = 1e30
"""Bound on numbers that are not integers."""

MOST_AXES = 16

Options = Mapping[str, Any]
"""Values by name: int, bool, str, or (height, width)."""

REQUIRED = object()
"""Default of an option that has none."""


class OptionError(ValueError):
    """Invalid options or inputs of a node; the message does not name the node."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an operation.

    Attributes
    ----------
    read : callable
        From a JSON value to the option's own; raises :class:`OptionError`.
    default : object
        The option's value if it is not given: of the same kind, a function of the options
        before it, or :data:`REQUIRED`.
    quiet : bool, default=False
        Whether the default is left out of a written graph. Options that later versions added are
        quiet, so that the ids of earlier graphs stay.
    """

    read: Callable[[object], Any]
    default: Any = REQUIRED
    quiet: bool = False


def read_options(known: Mapping[str, Option], given: Mapping[str, object]) -> dict[str, Any]:
    """Check the given options, and add the defaults of the others.

    Parameters
    ----------
    known : mapping of str to Option
        Options of the operation.
    given : mapping of str to object
        JSON values by name.

    Returns
    -------
    dict
        Values of all options, in the order of ``known``.

    Raises
    ------
    OptionError
        For an option that is unknown, missing or not valid.
    """
    for name in given:
        if name not in known:
            expected = f"one of {', '.join(known)}" if known else "none"
            raise OptionError(f"got option {abbreviate(name)}; expected {expected}")
    values: dict[str, Any] = {}
    for name, option in known.items():
        if name in given:
            try:
                values[name] = option.read(given[name])
            except OptionError as error:
                raise OptionError(f"{name}: {error}") from None
        elif option.default is REQUIRED:
            raise OptionError(f"got no {name}; expected one")
        else:
            default = option.default
            values[name] = default(values) if callable(default) else default
    return values


def is_left_out(option: Option, value: Any) -> bool:
    """Check whether a value is a default that is not written."""
    return option.quiet and value == option.default


def write_option(value: Any) -> Any:
    """Convert the value of an option to JSON.

    Parameters
    ----------
    value : object
        Value of an option.

    Returns
    -------
    object
        A JSON value; equal height and width are one number.
    """
    if isinstance(value, tuple):
        return value[0] if value[0] == value[1] else list(value)
    return value


def whole(low: int = 1, high: int = LARGEST) -> Callable[[object], int]:
    """Make a reader of an integer.

    Parameters
    ----------
    low, high : int, default=1, LARGEST
        Bounds of the integer.

    Returns
    -------
    callable
        Reads an integer; raises :class:`OptionError` for other values, true and 3.0 included.
    """

    def read(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise OptionError(f"got {abbreviate(value)}; expected an integer of {low} to {high}")
        return value

    return read


def pair(low: int = 1, high: int = LARGEST) -> Callable[[object], tuple[int, int]]:
    """Make a reader of a pair of integers.

    Parameters
    ----------
    low, high : int, default=1, LARGEST
        Bounds of the integers.

    Returns
    -------
    callable
        Reads one integer for both axes, or [height, width], as a tuple of two.
    """
    one = whole(low, high)

    def read(value: object) -> tuple[int, int]:
        if not isinstance(value, list):
            number = one(value)
            return number, number
        if len(value) != 2:
            raise OptionError(f"got {abbreviate(value)}; expected one integer, or two")
        return one(value[0]), one(value[1])

    return read


def choice(word: str, other: Callable[[object], Any]) -> Callable[[object], Any]:
    """Make a reader of one word or another kind of value.

    Parameters
    ----------
    word : str
        The word.
    other : callable
        Reader of all other values.

    Returns
    -------
    callable
        Reads the word, or what ``other`` reads.
    """

    def read(value: object) -> Any:
        if value == word:
            return word
        try:
            return other(value)
        except OptionError as error:
            raise OptionError(f"{error}, or {word!r}") from None

    return read


def sizes(low: int = 1, high: int = LARGEST) -> Callable[[object], list[int]]:
    """Make a reader of a list of integers.

    Parameters
    ----------
    low, high : int, default=1, LARGEST
        Bounds of the integers.

    Returns
    -------
    callable
        Reads a list of at least one and at most :data:`MOST_AXES` integers.
    """
    one = whole(low, high)

    def read(value: object) -> list[int]:
        if not isinstance(value, list) or not 1 <= len(value) <= MOST_AXES:
            raise OptionError(f"got {abbreviate(value)}; expected 1 to {MOST_AXES} integers")
        return [one(item) for item in value]

    return read


def word(*words: str) -> Callable[[object], str]:
    """Make a reader of one of several words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise OptionError(f"got {abbreviate(value)}; expected one of {', '.join(words)}")
        return value

    return read


def number(value: object) -> float:
    """Read a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LIMIT:
        raise OptionError(f"got {abbreviate(value)}; expected a number below {LIMIT:g}")
    return float(value)


def number_or_none(value: object) -> float | None:
    """Read a finite number, or null for none."""
    return None if value is None else number(value)


def flag(value: object) -> bool:
    """Read a boolean."""
    if not isinstance(value, bool):
        raise OptionError(f"got {abbreviate(value)}; expected true or false")
    return value


def share(value: object) -> float:
    """Read a number from 0 up to, not including, 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise OptionError(f"got {abbreviate(value)}; expected a number of at least 0, below 1")
    return float(value)
