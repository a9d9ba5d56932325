"""Options of graph nodes: permitted values, and their form in JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from acorn.errors import abbreviate

LARGEST = 65_536
"""The largest number that any option may be; products of a few still fit every check."""

Options = Mapping[str, Any]
"""Values by name: int, bool, str, or (height, width)."""

REQUIRED = object()
"""Default of an option that has none."""


class OptionError(ValueError):
    """What is wrong with a node, without its name."""


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
    """

    read: Callable[[object], Any]
    default: Any = REQUIRED


def read_options(known: Mapping[str, Option], given: Mapping[str, object]) -> dict[str, Any]:
    """Check the given options and fill in the others, in the order of ``known``."""
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


def write_option(value: Any) -> Any:
    """Spell a value as JSON: equal height and width as one number."""
    if isinstance(value, tuple):
        return value[0] if value[0] == value[1] else list(value)
    return value


def whole(low: int = 1, high: int = LARGEST) -> Callable[[object], int]:
    """Make a reader of an integer; a boolean is none, and neither is 3.0."""

    def read(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise OptionError(f"got {abbreviate(value)}; expected an integer of {low} to {high}")
        return value

    return read


def pair(low: int = 1, high: int = LARGEST) -> Callable[[object], tuple[int, int]]:
    """Make a reader of an integer for both axes, or of [height, width]."""
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
    """Make a reader of one word, or of what another reader takes."""

    def read(value: object) -> Any:
        if value == word:
            return word
        try:
            return other(value)
        except OptionError as error:
            raise OptionError(f"{error}, or {word!r}") from None

    return read


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
