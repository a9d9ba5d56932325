"""DARTS genotypes: text to cells and back, and the cells that compute the same function.

The text is that of the published code, ``Genotype(normal=[('sep_conv_3x3', 0), ...],
normal_concat=[2, 3, 4, 5], reduce=[...], reduce_concat=range(2, 6))``. It is matched against
patterns, never evaluated.

Recognised as twins: the two edges of a node in any order (a sum); nodes in any order, and with
them the order of the concatenation, since a permutation of channels is one of the weights of the
1x1 convolutions that read them; ``none`` whatever it reads; nodes that reach no output.
Not recognised: sums that are nested otherwise through ``skip_connect``, poolings that could be
moved past a sum, and what follows from a node that is zero or a copy of another.
"""

import itertools
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
Node = tuple[Edge, Edge]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes
    ----------
    nodes
        (operation, source) twice for each node; sources 0 and 1 are the cell's inputs, node i
        is number i + 2.
    concat
        Numbers of the nodes whose outputs are concatenated.
    """

    nodes: tuple[Node, ...]
    concat: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Genotype:
    """The two cells of a network."""

    normal: Cell
    reduce: Cell


_NUMBERS = r"(\[[0-9\s,]*\]|range\([0-9\s,]*\))"
_EDGES = r"\[([^\[\]]*)\]"
_GENOTYPE = re.compile(
    rf"Genotype\s*\(\s*normal\s*=\s*{_EDGES}\s*,\s*normal_concat\s*=\s*{_NUMBERS}\s*,"
    rf"\s*reduce\s*=\s*{_EDGES}\s*,\s*reduce_concat\s*=\s*{_NUMBERS}\s*,?\s*\)"
)
_EDGE = re.compile(r"""\(\s*(["'])([a-z0-9_]{1,20})\1\s*,\s*([0-9]{1,2})\s*,?\s*\)""")
_SEPARATOR = re.compile(r"\s*(,\s*|$)")
_FORM = (
    "Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=[2, 3, 4, 5], reduce=[...], "
    "reduce_concat=[...])"
)


def parse_genotype(spec: object) -> Genotype:
    """Read a genotype; raises :class:`~acorn.errors.InvalidArchitectureError`."""
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
    """Spell a genotype as the published code prints it, concatenations as lists."""
    parts = []
    for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        edges = [edge for node in cell.nodes for edge in node]
        parts.append(f"{name}={edges}, {name}_concat={[*cell.concat]}")
    return f"Genotype({', '.join(parts)})"


def canonical_genotype(genotype: Genotype) -> Genotype:
    """The representative of the genotypes that compute the same function."""
    return Genotype(canonical_cell(genotype.normal), canonical_cell(genotype.reduce))


def canonical_cell(cell: Cell) -> Cell:
    """Drop dead nodes, and take the smallest spelling over all orders of the others."""
    nodes = [
        tuple((name, 0 if name == "none" else source) for name, source in node)
        for node in cell.nodes
    ]
    live = set(cell.concat)
    for index in reversed(range(len(nodes))):
        if index + 2 in live:
            live.update(source for _, source in nodes[index])
    kept = sorted(live - {0, 1})
    best: tuple[tuple[Node, ...], tuple[int, ...]] | None = None
    for order in itertools.permutations(kept):
        names = {0: 0, 1: 1} | {old: new for new, old in enumerate(order, 2)}
        if any(names[source] >= names[old] for old in kept for _, source in nodes[old - 2]):
            continue  # a node before one that it reads
        spelling = tuple(
            _sorted_pair([(name, names[source]) for name, source in nodes[old - 2]])
            for old in order
        )
        concat = tuple(sorted(names[old] for old in cell.concat))
        if best is None or (spelling, concat) < best:
            best = spelling, concat
    assert best is not None  # noqa: S101 - the order as given is one of them
    return Cell(*best)


def _sorted_pair(edges: list[Edge]) -> Node:
    first, second = sorted(edges)
    return first, second


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
                "expected pairs ('operation', node)"
            )
        pairs.append(_checked_edge(name, match[2], int(match[3]), 2 + len(pairs) // 2))
        separator = _SEPARATOR.match(text, match.end())
        if separator is None:
            raise InvalidArchitectureError(
                f"got {abbreviate(text[match.end() :])} after a pair in {name}; expected a comma"
            )
        position = separator.end()
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
