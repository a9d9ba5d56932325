"""The sequence of cells of a network of DARTS, with their widths.

The same skeleton is that of NASNet, AmoebaNet and most later spaces: the cells at one third and at
two thirds of the depth reduce; each cell reads the two cells before it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from acorn.errors import InvalidArchitectureError
from acorn.spaces.darts.genotype import Cell, Genotype

LARGE_SIDE = 64
"""Least side of images, in pixels, that get the network for ImageNet."""

STEM_DIVISOR = 8
"""By how much the stem of the network for ImageNet divides the side."""


class Skeleton(NamedTuple):
    """What surrounds the cells.

    Attributes
    ----------
    cells : int
        Number of cells.
    channels : int
        Width of each node in the first third; doubles at each reduction.
    is_large : bool
        Whether the stem divides the side by 4 for the first input of the first cell, and by 8 for
        the second; their width is that of a node. Otherwise the stem is one convolution of three
        times this width.
    """

    cells: int
    channels: int
    is_large: bool = False

    @property
    def stem_width(self) -> int:
        """Output channels of the stem."""
        return self.channels if self.is_large else 3 * self.channels


CIFAR = Skeleton(cells=20, channels=36)
IMAGENET = Skeleton(cells=14, channels=48, is_large=True)


def choose_skeleton(side: int) -> Skeleton:
    """Choose the network of the paper for images of a size.

    Parameters
    ----------
    side : int
        Height and width of the image, pixels.

    Returns
    -------
    Skeleton
        That for ImageNet from 64 pixels on, otherwise that for CIFAR.

    Raises
    ------
    InvalidArchitectureError
        If the network for ImageNet cannot halve the side five times.
    """
    if side < LARGE_SIDE:
        return CIFAR
    divisor = 4 * STEM_DIVISOR  # two cells reduce
    if side % divisor:
        raise InvalidArchitectureError(
            f"got images of {side} x {side} pixels; expected a multiple of {divisor} pixels, "
            "since a DARTS network for large images halves them five times"
        )
    return IMAGENET


class PlacedCell(NamedTuple):
    """A cell at its place in the network.

    Attributes
    ----------
    cell : Cell
        The cell.
    before_last, last : int
        Widths of the two inputs.
    channels : int
        Width of each node.
    reduces : bool
        Whether operations on the inputs have stride 2.
    after_reduction : bool
        Whether the first input has twice the resolution of the second.
    """

    cell: Cell
    before_last: int
    last: int
    channels: int
    reduces: bool
    after_reduction: bool

    @property
    def width(self) -> int:
        """Width of the output: that of all concatenated nodes."""
        return len(self.cell.concat) * self.channels


def place_cells(genotype: Genotype, skeleton: Skeleton = CIFAR) -> Iterator[PlacedCell]:
    """List the cells of a network, from the stem to the head.

    Parameters
    ----------
    genotype : Genotype
        The two kinds of cells.
    skeleton : Skeleton, default=CIFAR
        Their number and width.

    Yields
    ------
    PlacedCell
    """
    cells, channels, after_reduction = skeleton
    before_last = last = skeleton.stem_width
    for index in range(cells):
        reduces = index in (cells // 3, 2 * cells // 3)
        channels *= 2 if reduces else 1
        cell = genotype.reduce if reduces else genotype.normal
        placed = PlacedCell(cell, before_last, last, channels, reduces, after_reduction)
        yield placed
        before_last, last, after_reduction = last, placed.width, reduces
