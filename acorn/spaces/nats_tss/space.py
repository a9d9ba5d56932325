"""NATS-Bench's topology space (= NAS-Bench-201): cells of four nodes and six edges.

Dong and Yang, NAS-Bench-201, ICLR 2020; Dong et al., NATS-Bench, TPAMI 2021.

Two cells are *twins* when they compute the same function. Four facts make twins: an edge that is
fed by nothing, or leads nowhere, is dead; a skip passes its node through; a sum of sums is a sum;
average pooling is linear, so it distributes over a sum. Rewriting by these four turns a cell into
a nested multiset of terms, its *normal form*, and the 15,625 cells into 4,660 functions. (The
literature's 6,466 isomorphism classes know only the second fact.)

A convolution that one cell applies once and its twin twice, to equal inputs, is the same function
in this sense: the twin reaches every output of the first with its two weights set equal.
"""

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from acorn.errors import InvalidArchitectureError, abbreviate
from acorn.spaces.base import Architecture, Cost
from acorn.spaces.spellings import read_index, read_integers

if TYPE_CHECKING:
    from torch import nn

    from acorn.datasets import Dataset

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))

Cell = tuple[str, ...]
"""Operation names of the six edges, in the order of :data:`EDGES`."""


class Input(NamedTuple):
    """The cell's input."""


class Pooled(NamedTuple):
    """Average pooling of one term."""

    term: "Term"


class Convolved(NamedTuple):
    """A convolution of a node: ``source`` is the node's terms."""

    operation: str
    source: "NormalForm"


Term = Input | Pooled | Convolved
NormalForm = tuple[Term, ...]
"""Terms of a node, sorted."""

NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
"""Operations by their number in NASLib's tuples.

The list ``OP_NAMES_NB201`` of NASLib's ``naslib/search_spaces/nasbench201/conversions.py``, which
is also that of the keys of NAS-Bench-Suite-Zero.
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


class NatsTopologySpace:
    """The 15,625 cells of NATS-Bench's topology space."""

    name = "nats_tss"
    description = "NATS-Bench topology space (NAS-Bench-201): a cell of six edges, five operations"
    example = (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
        "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    datasets = ("cifar10", "cifar100", "ImageNet16-120")
    size = len(OPERATIONS) ** len(EDGES)

    def parse(self, spec: object) -> Architecture:
        """Read a cell, as :func:`parse_cell` does; raises as it does."""
        cell = parse_cell(spec)
        return Architecture(self.name, format_cell(cell), format_cell(canonical_cell(cell)))

    def build(self, arch: str, dataset: "Dataset") -> "nn.Module":
        """Build the network of exactly this cell, dead edges included."""
        from acorn.spaces.nats_tss.network import TopologyNetwork

        return TopologyNetwork(parse_cell(arch), dataset.num_classes)

    def cost(self, arch: str, dataset: "Dataset") -> Cost:
        """Sums over edges, equal to the published numbers for every cell."""
        count = Counter(parse_cell(arch))
        pixels, side = dataset.height * dataset.width, dataset.height // 4
        elements = 140 * pixels  # of one operation's input, over all 15 cells
        products = 3_840 * pixels  # of one 1x1 convolution, over all 15 cells
        flops = 7_752 * pixels + 64 * (side + 1) ** 2 + 64 * dataset.num_classes
        flops += count["avg_pool_3x3"] * 9 * elements
        flops += count["nor_conv_1x1"] * (products + 3 * elements)
        flops += count["nor_conv_3x3"] * (9 * products + 3 * elements)
        params = 72_656 + 65 * dataset.num_classes
        params += count["nor_conv_1x1"] * 28_000 + count["nor_conv_3x3"] * 243_040
        return Cost(params / 1e6, flops / 1e6)

    def enumerate(self) -> Iterator[str]:
        """All cells, in the order of :data:`OPERATIONS` on each edge."""
        return map(format_cell, all_cells())

    def sample(self, n: int, *, seed: int) -> list[str]:
        """``n`` distinct cells, uniformly."""
        return random.Random(seed).sample([*self.enumerate()], n)

    def mutate(self, arch: str, *, seed: int) -> str:
        """Change the operation of one edge."""
        rng = random.Random(seed)
        cell = list(parse_cell(arch))
        edge = rng.randrange(len(EDGES))
        cell[edge] = rng.choice([name for name in OPERATIONS if name != cell[edge]])
        return format_cell(tuple(cell))

    def columns(self, canonical: str) -> dict[str, float]:
        """Paths of the function, and averages over the cells that compute it."""
        from acorn.spaces.nats_tss.equivalents import twin_columns
        from acorn.spaces.nats_tss.paths import path_columns

        cell = parse_cell(canonical)
        return path_columns(normal_form(cell)) | twin_columns(cell)


def parse_cell(spec: object) -> Cell:
    """Read a cell into its six operations, in any of the spellings in use.

    Parameters
    ----------
    spec
        Text ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``, also with spaces between its parts; the index
        in NATS-Bench's order, 0 to 15624, as an integer or as text; or the six operation numbers
        of NASLib, as a list, a tuple or the text of one. These are numbers of
        :data:`NASLIB_OPERATIONS` on :data:`NASLIB_EDGES`: both orders differ from those of the
        cell's text.

    Raises
    ------
    InvalidArchitectureError
        For anything else, in one line.
    """
    match = _PATTERN.fullmatch(spec.strip()) if isinstance(spec, str) else None
    if match is not None:
        return match.groups()
    index = read_index(spec, NatsTopologySpace.size, benchmark="NATS-Bench")
    if index is not None:
        return _benchmark_cells()[index]
    numbers = read_integers(spec, len(EDGES))
    if numbers is None or not set(numbers) <= set(range(len(NASLIB_OPERATIONS))):
        raise InvalidArchitectureError(
            f"got {abbreviate(spec)}; expected a cell '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|' "
            f"with each op one of {', '.join(OPERATIONS)}, an index from 0 to "
            f"{NatsTopologySpace.size - 1}, or NASLib's six operation numbers, each 0 to "
            f"{len(NASLIB_OPERATIONS) - 1}"
        )
    number_of = dict(zip(NASLIB_EDGES, numbers, strict=True))
    return tuple(NASLIB_OPERATIONS[number_of[edge]] for edge in EDGES)


def format_cell(cell: Cell) -> str:
    """Spell six operations as the benchmark does."""
    a, b, c, d, e, f = cell
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def normal_form(cell: Cell) -> NormalForm:
    """Terms of the output node: equal for exactly the cells that compute the same function."""
    nodes: list[NormalForm] = [(Input(),)]
    for target in (1, 2, 3):
        terms: list[Term] = []
        for (source, end), operation in zip(EDGES, cell, strict=True):
            if end != target or operation == "none" or not nodes[source]:
                continue
            if operation == "skip_connect":
                terms.extend(nodes[source])
            elif operation == "avg_pool_3x3":
                terms.extend(map(Pooled, nodes[source]))
            else:
                terms.append(Convolved(operation, nodes[source]))
        nodes.append(tuple(sorted(terms, key=repr)))
    return nodes[-1]


def live_edges(cell: Cell) -> list[int]:
    """Indices of the edges that carry something from the input to the output."""
    fed = {0}
    for (source, target), operation in zip(EDGES, cell, strict=True):
        if operation != "none" and source in fed:
            fed.add(target)
    needed = {3} & fed
    live = []
    for index in reversed(range(len(EDGES))):
        source, target = EDGES[index]
        if cell[index] != "none" and source in fed and target in needed:
            needed.add(source)
            live.append(index)
    return live[::-1]


def canonical_cell(cell: Cell) -> Cell:
    """The representative of the cells that compute the same function as ``cell``.

    Of all twins, those with the most live convolutions share no weight that another twin keeps
    apart, so the others' weights can be carried over; among these, the fewest edges, then the
    order of :data:`OPERATIONS`. (In 6 of the 4,660 functions no twin is general enough for all
    others: there the carried weights agree only where equal terms have equal weights.)
    """
    return _representatives()[normal_form(cell)]


def all_cells() -> Iterator[Cell]:
    """All 15,625 cells, in the order of :data:`OPERATIONS` on each edge."""
    return itertools.product(OPERATIONS, repeat=len(EDGES))


@cache
def _benchmark_cells() -> tuple[Cell, ...]:
    """All cells in NATS-Bench's order: those of :func:`all_cells`, shuffled with its seed."""
    cells = [*all_cells()]
    random.Random(BENCHMARK_SEED).shuffle(cells)
    return tuple(cells)


@cache
def _representatives() -> dict[NormalForm, Cell]:
    """Normal form to canonical cell, for all functions (half a second, once a process)."""

    def rank(cell: Cell) -> tuple[int, int]:
        convolutions = sum(cell[index].startswith("nor_conv") for index in live_edges(cell))
        return -convolutions, sum(operation != "none" for operation in cell)

    best: dict[NormalForm, tuple[tuple[int, int], Cell]] = {}
    for cell in all_cells():  # in order, so that the first of equal rank stays
        form, order = normal_form(cell), rank(cell)
        if form not in best or order < best[form][0]:
            best[form] = (order, cell)
    return {form: cell for form, (_, cell) in best.items()}
