"""The DARTS space: genotypes of a normal and a reduction cell, as text.

Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019. The network is the one that the
paper trains on CIFAR: 20 cells, 36 channels, no auxiliary head. ImageNet16-120 gets the same
network with 120 outputs, because the paper's own for ImageNet divides 224 pixels by 32.
"""

import random
from typing import TYPE_CHECKING

from acorn.spaces.base import Architecture, Cost, Space
from acorn.spaces.darts.canonical import canonical_genotype
from acorn.spaces.darts.cost import darts_cost
from acorn.spaces.darts.genotype import (
    OPERATIONS,
    Cell,
    Edge,
    Genotype,
    Node,
    format_genotype,
    parse_genotype,
)

if TYPE_CHECKING:
    from torch import nn

    from acorn.datasets import Dataset

CELLS = 20
CHANNELS = 36
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
    description = "DARTS genotypes: 20 cells of 36 channels, two edges a node"
    example = (
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
        "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
        "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
        "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
        "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
        "reduce_concat=[2, 3, 4, 5])"
    )
    datasets = ("cifar10", "cifar100", "ImageNet16-120")

    def parse(self, spec: object) -> Architecture:
        """Read a genotype as :func:`~acorn.spaces.darts.genotype.parse_genotype` does."""
        genotype = parse_genotype(spec)
        canonical = format_genotype(canonical_genotype(genotype))
        return Architecture(self.name, format_genotype(genotype), canonical)

    def build(self, arch: str, dataset: "Dataset") -> "nn.Module":
        """Build the network of exactly this genotype, dead nodes included."""
        from acorn.spaces.darts.network import DartsNetwork

        genotype = parse_genotype(arch)
        return DartsNetwork(
            genotype.normal.nodes,
            genotype.normal.concat,
            genotype.reduce.nodes,
            genotype.reduce.concat,
            dataset.num_classes,
            channels=CHANNELS,
            cells=CELLS,
        )

    def cost(self, arch: str, dataset: "Dataset") -> Cost:
        """Sum over cells and edges; the parameters are the published ones."""
        return darts_cost(
            parse_genotype(arch),
            cells=CELLS,
            channels=CHANNELS,
            num_classes=dataset.num_classes,
            side=dataset.height,
        )

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


def _draw_cell(rng: random.Random) -> Cell:
    nodes: list[Node] = []
    for target in range(2, NODES + 2):
        first, second = rng.sample(range(target), 2)
        nodes.append(((rng.choice(SEARCHED), first), (rng.choice(SEARCHED), second)))
    return Cell(tuple(nodes), tuple(range(2, NODES + 2)))


def _mutate_cell(cell: Cell, rng: random.Random) -> Cell:
    index = rng.randrange(len(cell.nodes))
    edges = [*cell.nodes[index]]
    place = rng.randrange(2)
    name, source = edges[place]
    other: Edge = edges[1 - place]
    sources = [node for node in range(index + 2) if node not in (source, other[1])]
    if sources and rng.randrange(2):
        edges[place] = name, rng.choice(sources)
    else:
        edges[place] = rng.choice([choice for choice in SEARCHED if choice != name]), source
    first, second = edges
    nodes = [*cell.nodes]
    nodes[index] = first, second
    return Cell(tuple(nodes), cell.concat)
