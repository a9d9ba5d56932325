"""NATS-Bench's topology space (= NAS-Bench-201): cells of four nodes and six edges.

Dong and Yang, NAS-Bench-201, ICLR 2020; Dong et al., NATS-Bench, TPAMI 2021.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from acorn.datasets import Dataset
from acorn.spaces.base import (
    Architecture,
    ChoiceValue,
    ColumnDescription,
    Cost,
    Neighbour,
    Space,
    change_each,
    change_one,
)
from acorn.spaces.nats_tss.canonical import canonical_cell, normal_form
from acorn.spaces.nats_tss.cell import EDGES, OPERATIONS, SIZE, all_cells, format_cell, parse_cell
from acorn.spaces.nats_tss.cell_descriptions import OPERATION_NAMES, describe
from acorn.spaces.nats_tss.path_columns import path_columns

if TYPE_CHECKING:
    from torch import nn


class NatsTopologySpace(Space):
    """The 15,625 cells of NATS-Bench's topology space; see :class:`~acorn.spaces.Space`."""

    name = "nats_tss"
    description = "NATS-Bench topology space (NAS-Bench-201): a cell of six edges, five operations"
    example = (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
        "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    datasets = ("cifar10", "cifar100", "ImageNet16-120")
    size = SIZE

    def parse(self, spec: object) -> Architecture:
        """Read a cell as :func:`~acorn.spaces.nats_tss.cell.parse_cell` does."""
        cell = parse_cell(spec)
        return Architecture(self.name, format_cell(cell), format_cell(canonical_cell(cell)))

    def build(self, arch: str, dataset: Dataset) -> "nn.Module":
        """Build the network of exactly this cell, dead edges included."""
        from acorn.spaces.nats_tss.network import TopologyNetwork

        return TopologyNetwork(parse_cell(arch), dataset.num_classes)

    def cost(self, arch: str, dataset: Dataset) -> Cost:
        """Sum over edges; equal to the published numbers for every cell."""
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
        """List all cells, in the order of the operations on each edge."""
        return map(format_cell, all_cells())

    def mutate(self, arch: str, *, seed: int) -> str:
        """Change the operation of one edge."""
        return format_cell(change_one(parse_cell(arch), OPERATIONS, seed=seed))

    def neighbours(self, arch: str) -> Iterator[Neighbour]:
        """Change the operation of each edge to each other one: 24 cells."""
        cell = parse_cell(arch)
        for place, operation, changed in change_each(cell, OPERATIONS):
            source, target = EDGES[place]
            before, after = OPERATION_NAMES[cell[place]], OPERATION_NAMES[operation]
            yield Neighbour(
                format_cell(changed), f"edge from node {source} to {target}: {before} to {after}"
            )

    def choice_values(self) -> dict[str, tuple[str, ...]]:
        """List the operations of each edge, such as ``edge_01``."""
        return {f"edge_{source}{target}": OPERATIONS for source, target in EDGES}

    def compose(self, values: Sequence[ChoiceValue]) -> str:
        """Write a cell."""
        return format_cell([str(operation) for operation in values])

    def columns(self, canonical: str) -> dict[str, float]:
        """Describe the paths of a cell, and average over the cells that are equivalent to it."""
        from acorn.spaces.nats_tss.equivalent_columns import equivalent_columns  # needs NumPy

        cell = parse_cell(canonical)
        return path_columns(normal_form(cell)) | equivalent_columns(cell)

    def describe_column(self, name: str) -> ColumnDescription | None:
        """Describe a column of a cell."""
        return describe(name)
