"""Cells of NATS-Bench's topology space: operations, edges, and the spellings in use."""

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from functools import cache

from acorn.errors import InvalidArchitectureError, abbreviate
from acorn.spaces.spellings import read_index, read_integers

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
SIZE = len(OPERATIONS) ** len(EDGES)

Cell = tuple[str, ...]
"""Operation names of the six edges, in the order of :data:`EDGES`."""

NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
"""Operations by their number in NASLib's tuples.

The list ``OP_NAMES_NB201`` of NASLib's ``naslib/search_spaces/nasbench201/conversions.py``, which
the keys of NAS-Bench-Suite-Zero follow as well.
"""

NASLIB_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
"""Edges in the order of NASLib's tuples: its ``EDGE_LIST``, which counts nodes from 1."""

BENCHMARK_SEED = 88
"""Shuffles :func:`all_cells` into NATS-Bench's order; equal to the published index of each cell."""

_EDGE = f"({'|'.join(OPERATIONS)})"
_TOKENS = [
    token
    for target in (1, 2, 3)
    for token in (r"\+", *(t for s in range(target) for t in (r"\|", _EDGE, "~", str(s))), r"\|")
]
_PATTERN = re.compile(r"\s*".join(_TOKENS[1:]))


def parse_cell(spec: object) -> Cell:
    """Read a cell in any of the spellings in use.

    Parameters
    ----------
    spec : str, int, list or tuple
        Text ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``, also with spaces between its parts; the index
        in NATS-Bench's order, 0 to 15624, as an integer or as text; or the six operation numbers
        of NASLib, as a list, a tuple or the text of one. These are numbers of
        :data:`NASLIB_OPERATIONS` on :data:`NASLIB_EDGES`: both orders differ from those of the
        cell's text.

    Returns
    -------
    tuple of str, length 6
        Operation names, in the order of :data:`EDGES`.

    Raises
    ------
    InvalidArchitectureError
        For anything else, in one line.
    """
    match = _PATTERN.fullmatch(spec.strip()) if isinstance(spec, str) else None
    if match is not None:
        return match.groups()
    index = read_index(spec, SIZE, benchmark="NATS-Bench")
    if index is not None:
        return _benchmark_cells()[index]
    numbers = read_integers(spec, len(EDGES))
    if numbers is None or not set(numbers) <= set(range(len(NASLIB_OPERATIONS))):
        raise InvalidArchitectureError(
            f"got {abbreviate(spec)}; expected a cell '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|' "
            f"with each op one of {', '.join(OPERATIONS)}, an index from 0 to {SIZE - 1}, "
            f"or NASLib's six operation numbers, each 0 to {len(NASLIB_OPERATIONS) - 1}"
        )
    number_of = dict(zip(NASLIB_EDGES, numbers, strict=True))
    return tuple(NASLIB_OPERATIONS[number_of[edge]] for edge in EDGES)


def format_cell(cell: Sequence[str]) -> str:
    """Write six operations as the benchmark does.

    Parameters
    ----------
    cell : sequence of str, length 6
        Operation names, in the order of :data:`EDGES`.

    Returns
    -------
    str
        Such as ``|a~0|+|b~0|c~1|+|d~0|e~1|f~2|`` with operations a to f.
    """
    a, b, c, d, e, f = cell
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def all_cells() -> Iterator[Cell]:
    """List all cells.

    Returns
    -------
    iterator of tuple of str
        All 15,625 cells, in the order of :data:`OPERATIONS` on each edge.
    """
    return itertools.product(OPERATIONS, repeat=len(EDGES))


@cache
def _benchmark_cells() -> tuple[Cell, ...]:
    """All cells in NATS-Bench's order: those of :func:`all_cells`, shuffled with its seed."""
    cells = [*all_cells()]
    random.Random(BENCHMARK_SEED).shuffle(cells)
    return tuple(cells)
