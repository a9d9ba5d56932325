"""Width vectors of NATS-Bench's size space, in the spellings in use."""

import re
from collections.abc import Sequence

from acorn.errors import InvalidArchitectureError, abbreviate
from acorn.spaces.spellings import read_index, read_integers

WIDTHS = tuple(range(8, 65, 8))
LAYERS = 5
SIZE = len(WIDTHS) ** LAYERS

Channels = tuple[int, ...]
"""Widths of the first cell, first reduction, second cell, second reduction and third cell."""

_WIDTH = "|".join(map(str, WIDTHS))
_PATTERN = re.compile(
    rf"({_WIDTH})\s*(?P<separator>[:,-])\s*({_WIDTH})"
    + rf"\s*(?P=separator)\s*({_WIDTH})" * (LAYERS - 2)
)


def parse_channels(spec: object) -> Channels:
    """Read five widths in any of the spellings in use.

    Parameters
    ----------
    spec : str, int, list or tuple
        Text ``64:64:64:64:64``, also with spaces and with ``-`` or ``,`` for ``:``; a list or tuple
        of five integers, or its text; or the index in NATS-Bench's order, 0 to 32767, as an integer
        or as text.

    Returns
    -------
    tuple of int, length 5
        The widths.

    Raises
    ------
    InvalidArchitectureError
        For anything else, in one line.
    """
    match = _PATTERN.fullmatch(spec.strip()) if isinstance(spec, str) else None
    if match is not None:
        return tuple(int(width) for width in match.groups() if width.isdecimal())
    index = read_index(spec, SIZE, benchmark="NATS-Bench")
    if index is not None:
        return tuple(WIDTHS[int(digit)] for digit in f"{index:05o}")  # to the base of eight
    widths = read_integers(spec, LAYERS)
    if widths is None or not set(widths) <= set(WIDTHS):
        raise InvalidArchitectureError(
            f"got {abbreviate(spec)}; expected five widths 'a:b:c:d:e' or [a, b, c, d, e], "
            f"each one of {', '.join(map(str, WIDTHS))}, or an index from 0 to {SIZE - 1}"
        )
    return widths


def format_channels(channels: Sequence[int]) -> str:
    """Write widths as the benchmark does.

    Parameters
    ----------
    channels : sequence of int
        The widths.

    Returns
    -------
    str
        Such as ``64:64:64:64:64``.
    """
    return ":".join(map(str, channels))
