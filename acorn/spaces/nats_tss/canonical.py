"""Canonical forms of cells: which cells are equivalent, and the representative of each class.

Two cells are equivalent if they compute the same function. Four facts make them so: an edge that
is fed by nothing, or leads nowhere, is dead; a skip passes its node through; a sum of sums is a
sum; average pooling is linear, so it distributes over a sum. Rewriting by these four turns a cell
into a nested multiset of terms, its *normal form*, and the 15,625 cells into 4,660 equivalence
classes. (The 6,466 isomorphism classes of the literature use the second fact only.)

If one cell applies a convolution once and another one twice, to equal inputs, both count as
equivalent: with its two weights equal, the second cell computes what the first one does.
"""

from functools import cache
from typing import NamedTuple

from acorn.spaces.nats_tss.cell import EDGES, Cell, all_cells


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


def normal_form(cell: Cell) -> NormalForm:
    """Rewrite a cell into the terms of its output node.

    Parameters
    ----------
    cell : tuple of str, length 6
        Operation names.

    Returns
    -------
    tuple of Input, Pooled or Convolved
        Equal for exactly the equivalent cells.
    """
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
    """Find the edges on paths from the input to the output.

    Parameters
    ----------
    cell : tuple of str, length 6
        Operation names.

    Returns
    -------
    list of int
        Their indices, ascending.
    """
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
    """Find the representative of the cells that are equivalent to a cell.

    It has the most live convolutions of its class, so that weights of any equivalent cell can be
    copied to it: it has a weight of its own wherever an equivalent cell has one. Ties are broken by
    the fewest edges, then by the order of :data:`~acorn.spaces.nats_tss.cell.OPERATIONS`. (In 6 of
    the 4,660 classes no cell can take the weights of all others, unless equal terms have equal
    weights.)

    Parameters
    ----------
    cell : tuple of str, length 6
        Operation names.

    Returns
    -------
    tuple of str, length 6
        Operation names of the representative.
    """
    return _representatives()[normal_form(cell)]


@cache
def _representatives() -> dict[NormalForm, Cell]:
    """Canonical cell of each normal form (half a second, once a process)."""

    def rank(cell: Cell) -> tuple[int, int]:
        convolutions = sum(cell[index].startswith("nor_conv") for index in live_edges(cell))
        return -convolutions, sum(operation != "none" for operation in cell)

    best: dict[NormalForm, tuple[tuple[int, int], Cell]] = {}
    for cell in all_cells():  # in order, so that the first of equal rank stays
        form, order = normal_form(cell), rank(cell)
        if form not in best or order < best[form][0]:
            best[form] = (order, cell)
    return {form: cell for form, (_, cell) in best.items()}
