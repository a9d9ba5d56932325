"""Canonical form of DARTS genotypes.

Recognised as equivalent: the two edges of a node in any order (a sum); nodes in any order, and with
them the order of the concatenation, since the 1x1 convolutions that read it have a weight for each
permutation of its channels; ``none``, whatever it reads; nodes that reach no output.
Not recognised: sums that are nested in another way through ``skip_connect``, poolings that could
be moved past a sum, and consequences of a node that is zero or a copy of another.
"""

import itertools

from acorn.spaces.darts.genotype import Cell, Genotype, Node


def canonical_genotype(genotype: Genotype) -> Genotype:
    """Find the representative of the genotypes that are equivalent to a genotype.

    Parameters
    ----------
    genotype : Genotype
        Any genotype.

    Returns
    -------
    Genotype
        The same for all genotypes that are recognised as equivalent.
    """
    return Genotype(canonical_cell(genotype.normal), canonical_cell(genotype.reduce))


def canonical_cell(cell: Cell) -> Cell:
    """Find the representative of the cells that are equivalent to a cell.

    Dead nodes are dropped; of all orders of the others, the first in lexical order is taken.

    Parameters
    ----------
    cell : Cell
        Any cell.

    Returns
    -------
    Cell
        The same for all cells that are recognised as equivalent.
    """
    nodes = [
        tuple((name, 0 if name == "none" else source) for name, source in node)
        for node in cell.nodes
    ]
    live = set(cell.concat)
    for index in reversed(range(len(nodes))):
        if index + 2 in live:
            live.update(source for _, source in nodes[index])
    kept = sorted(live - {0, 1})
    spellings: list[tuple[tuple[Node, ...], tuple[int, ...]]] = []
    for order in itertools.permutations(kept):
        names = {0: 0, 1: 1} | {old: new for new, old in enumerate(order, 2)}
        if any(names[source] >= names[old] for old in kept for _, source in nodes[old - 2]):
            continue  # a node before one that it reads
        spelling = tuple(
            tuple(sorted((name, names[source]) for name, source in nodes[old - 2])) for old in order
        )
        spellings.append((spelling, tuple(sorted(names[old] for old in cell.concat))))
    return Cell(*min(spellings))
