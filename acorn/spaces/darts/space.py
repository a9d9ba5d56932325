"""The DARTS space: genotypes of a normal and a reduction cell, as text.

Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019. The networks are those that the
paper trains, without auxiliary heads: 20 cells of 36 channels for images below 64 pixels, as on
CIFAR; 14 cells of 48 channels after a stem that divides the side by 8 for larger ones, as on
ImageNet. ImageNet16-120 gets the network for CIFAR with 120 outputs.
"""

import itertools
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from acorn.datasets import Dataset
from acorn.spaces.base import Architecture, ChoiceValue, Cost, Space
from acorn.spaces.darts.canonical import canonical_genotype
from acorn.spaces.darts.cost import darts_cost
from acorn.spaces.darts.genotype import (
    OPERATIONS,
    Cell,
    Genotype,
    Node,
    format_genotype,
    parse_genotype,
)
from acorn.spaces.darts.skeleton import choose_skeleton

if TYPE_CHECKING:
    from torch import nn

NODES = 4
"""Nodes of each cell that is drawn at random, as in the paper's search."""

SEARCHED = tuple(
    name for name in OPERATIONS if name not in ("none", "sep_conv_7x7", "conv_7x1_1x7")
)
"""Operations that the paper's search chooses from."""


class DartsSpace(Space):
    """Genotypes of DARTS and of searches that print theirs alike; see :class:`~acorn.spaces.Space`.

    There are about 10^18 of them, so that they cannot be listed.
    """

    name = "darts"
    description = "DARTS genotypes: 20 cells of 36 channels (ImageNet: 14 of 48), two edges a node"
    example = (
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
        "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
        "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
        "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
        "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
        "reduce_concat=[2, 3, 4, 5])"
    )
    datasets = ("cifar10", "cifar100", "ImageNet16-120", "imagenet1k")

    def parse(self, spec: object) -> Architecture:
        """Read a genotype as :func:`~acorn.spaces.darts.genotype.parse_genotype` does."""
        genotype = parse_genotype(spec)
        canonical = format_genotype(canonical_genotype(genotype))
        return Architecture(self.name, format_genotype(genotype), canonical)

    def build(self, arch: str, dataset: Dataset) -> "nn.Module":
        """Build the network of exactly this genotype, dead nodes included."""
        from acorn.spaces.darts.network import DartsNetwork

        skeleton = choose_skeleton(dataset.height)
        return DartsNetwork(parse_genotype(arch), dataset.num_classes, skeleton)

    def cost(self, arch: str, dataset: Dataset) -> Cost:
        """Sum over cells and edges; the parameters are the published ones."""
        genotype = parse_genotype(arch)
        return darts_cost(genotype, num_classes=dataset.num_classes, side=dataset.height)

    def sample(self, n: int, *, seed: int) -> list[str]:
        """Draw ``n`` genotypes, no two equivalent, as the paper's search could return them.

        Each of four nodes adds two of seven operations on different earlier nodes, and all four
        are concatenated. Uniform over such texts, but for the few that repeat a class.
        """
        rng = random.Random(seed)
        arch_by_canonical: dict[str, str] = {}
        while len(arch_by_canonical) < n:
            arch = format_genotype(Genotype(_draw_cell(rng), _draw_cell(rng)))
            arch_by_canonical.setdefault(self.parse(arch).canonical, arch)
        return [*arch_by_canonical.values()]

    def mutate(self, arch: str, *, seed: int) -> str:
        """Change the operation of one edge, or the node that it reads."""
        rng = random.Random(seed)
        genotype = parse_genotype(arch)
        cells = [genotype.normal, genotype.reduce]
        which = rng.randrange(2)
        cells[which] = _mutate_cell(cells[which], rng)
        return format_genotype(Genotype(*cells))

    def choice_values(self) -> dict[str, tuple[str, ...]]:
        """List the choices of both cells: two inputs of each node, and an operation on each."""
        values: dict[str, tuple[str, ...]] = {}
        for cell in ("normal", "reduce"):
            for node in range(NODES):
                pairs = itertools.combinations(range(node + 2), 2)
                values[f"{cell}_{node}_inputs"] = tuple(f"{a},{b}" for a, b in pairs)
                values |= {f"{cell}_{node}_operation_{edge}": SEARCHED for edge in range(2)}
        return values

    def compose(self, values: Sequence[ChoiceValue]) -> str:
        """Write a genotype whose cells concatenate all nodes."""
        nodes: list[Node] = []
        for place in range(0, len(values), 3):
            inputs, *operations = map(str, values[place : place + 3])
            pairs = zip(operations, map(int, inputs.split(",")), strict=True)
            nodes.append(tuple(pairs))
        numbers = tuple(range(2, NODES + 2))
        halves = nodes[:NODES], nodes[NODES:]
        return format_genotype(Genotype(*(Cell(tuple(half), numbers) for half in halves)))


def _draw_cell(rng: random.Random) -> Cell:
    numbers = range(2, NODES + 2)
    nodes = [
        tuple((rng.choice(SEARCHED), source) for source in rng.sample(range(number), 2))
        for number in numbers
    ]
    return Cell(tuple(nodes), tuple(numbers))


def _mutate_cell(cell: Cell, rng: random.Random) -> Cell:
    index = rng.randrange(len(cell.nodes))
    edges = [*cell.nodes[index]]
    place = rng.randrange(2)
    name, source = edges[place]
    other_source = edges[1 - place][1]
    sources = [node for node in range(index + 2) if node not in (source, other_source)]
    if sources and rng.randrange(2):
        edges[place] = name, rng.choice(sources)
    else:
        edges[place] = rng.choice([choice for choice in SEARCHED if choice != name]), source
    nodes = [*cell.nodes]
    nodes[index] = tuple(edges)
    return Cell(tuple(nodes), cell.concat)
