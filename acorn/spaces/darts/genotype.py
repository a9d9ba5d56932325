"""DARTS genotypes: text to cells and back.

The text is that of the published code, ``Genotype(normal=[('sep_conv_3x3', 0), ...],
normal_concat=[2, 3, 4, 5], reduce=[...], reduce_concat=range(2, 6))``. It is matched against
patterns, never evaluated.
"""

import re
from dataclasses import dataclass

from acorn.errors import InvalidArchitectureError, abbreviate

OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "conv_7x1_1x7",
)

MAX_CHARACTERS = 4_000
MAX_NODES = 6

Edge = tuple[str, int]
Node = tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes
    ----------
    nodes : tuple of Node
        (operation, source) twice for each node; sources 0 and 1 are the cell's inputs, node i
        is number i + 2.
    concat : tuple of int
        Numbers of the nodes whose outputs are concatenated.
    """

    nodes: tuple[Node, ...]
    concat: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Genotype:
    """The two cells of a network.

    Attributes
    ----------
    normal, reduce : Cell
        Those that keep and that halve the resolution.
    """

    normal: Cell
    reduce: Cell


_NUMBERS = r"(\[[0-9\s,]*\]|range\([0-9\s,]*\))"
_EDGES = r"\[([^\[\]]*)\]"
_GENOTYPE = re.compile(
    rf"Genotype\s*\(\s*normal\s*=\s*{_EDGES}\s*,\s*normal_concat\s*=\s*{_NUMBERS}\s*,"
    rf"\s*reduce\s*=\s*{_EDGES}\s*,\s*reduce_concat\s*=\s*{_NUMBERS}\s*,?\s*\)"
)
_EDGE = re.compile(r"""\(\s*(["'])([a-z0-9_]{1,20})\1\s*,\s*([0-9]{1,2})\s*,?\s*\)\s*(?:,\s*|$)""")
_FORM = (
    "Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=[2, 3, 4, 5], reduce=[...], "
    "reduce_concat=[...])"
)


def parse_genotype(spec: object) -> Genotype:
    """Read a genotype.

    Parameters
    ----------
    spec : str
        Text in the form of the published code.

    Returns
    -------
    Genotype
        The two cells.

    Raises
    ------
    InvalidArchitectureError
        For anything else, in one line.
    """
    if isinstance(spec, str) and len(spec) > MAX_CHARACTERS:
        raise InvalidArchitectureError(
            f"got {abbreviate(spec)}; expected at most {MAX_CHARACTERS} characters"
        )
    match = _GENOTYPE.fullmatch(spec.strip()) if isinstance(spec, str) else None
    if match is None:
        raise InvalidArchitectureError(f"got {abbreviate(spec)}; expected {_FORM}")
    normal, normal_concat, reduce, reduce_concat = match.groups()
    return Genotype(
        _read_cell("normal", normal, normal_concat), _read_cell("reduce", reduce, reduce_concat)
    )


def format_genotype(genotype: Genotype) -> str:
    """Write a genotype as the published code prints it.

    Parameters
    ----------
    genotype : Genotype
        The two cells.

    Returns
    -------
    str
        Text that :func:`parse_genotype` reads; concatenations are lists.
    """
    parts = []
    for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        edges = [edge for node in cell.nodes for edge in node]
        parts.append(f"{name}={edges}, {name}_concat={[*cell.concat]}")
    return f"Genotype({', '.join(parts)})"


def _read_cell(name: str, edges: str, concat: str) -> Cell:
    """Read one cell from the texts between the brackets."""
    pairs: list[Edge] = []
    position = 0
    text = edges.strip().removesuffix(",")
    while position < len(text):
        match = _EDGE.match(text, position)
        if match is None:
            raise InvalidArchitectureError(
                f"got {abbreviate(text[position:].strip())} in {name}; "
                "expected pairs ('operation', node) with commas between them"
            )
        pairs.append(_checked_edge(name, match[2], int(match[3]), 2 + len(pairs) // 2))
        position = match.end()
    if not 2 <= len(pairs) <= 2 * MAX_NODES or len(pairs) % 2:
        raise InvalidArchitectureError(
            f"got {len(pairs)} pairs in {name}; expected two for each of 1 to {MAX_NODES} nodes"
        )
    nodes = tuple(zip(pairs[::2], pairs[1::2], strict=True))
    return Cell(nodes, _read_concat(f"{name}_concat", concat, len(nodes)))


def _checked_edge(name: str, operation: str, source: int, target: int) -> Edge:
    if operation not in OPERATIONS:
        raise InvalidArchitectureError(
            f"got operation {operation!r} in {name}; expected one of {', '.join(OPERATIONS)}"
        )
    if source >= target:
        raise InvalidArchitectureError(
            f"got ({operation!r}, {source}) for node {target} of {name}; "
            f"expected a source below {target}"
        )
    return operation, source


def _read_concat(name: str, text: str, nodes: int) -> tuple[int, ...]:
    """Read ``[2, 3, 4, 5]`` or ``range(2, 6)``."""
    words = [word.strip() for word in re.split(r"[\[(]", text)[1][:-1].split(",")]
    if words[-1] == "":  # after a trailing comma
        words.pop()
    numbers = [int(word) if word.isdecimal() and len(word) < 3 else -1 for word in words]
    if text.startswith("range"):
        numbers = [*range(*numbers)] if len(numbers) == 2 and min(numbers) >= 0 else []
    if (
        not numbers
        or len(set(numbers)) != len(numbers)
        or not set(numbers) <= set(range(2, nodes + 2))
    ):
        raise InvalidArchitectureError(
            f"got {name}={abbreviate(text)}; expected distinct nodes of 2 to {nodes + 1}"
        )
    return tuple(numbers)
