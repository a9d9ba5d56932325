"""Size of the networks of NAS-Bench-Macro, part by part, by arithmetic."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from acorn.spaces.nasbench_macro.digits import BLOCKS, LAST_CHANNELS, STEM_CHANNELS, split_stages


class StageCost(NamedTuple):
    """Size of one part of the network.

    Attributes
    ----------
    params : int
        Parameters, BatchNorm's included.
    macs : int
        Multiply-accumulates of convolutions and linear layers for one image.
    """

    params: int
    macs: int

    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self:
        """Add up the sizes of several parts.

        Parameters
        ----------
        parts : iterable of StageCost
            At least one part.

        Returns
        -------
        StageCost
        """
        return cls(*map(sum, zip(*parts, strict=True)))


def stage_costs(digits: str, num_classes: int = 10, side: int = 32) -> list[StageCost]:
    """Compute the size of the stem, of each of the three stages, and of the last layers.

    Parameters
    ----------
    digits : str, length 8
        The blocks.
    num_classes : int, default=10
        Width of the logits.
    side : int, default=32
        Height and width of the image, pixels.

    Returns
    -------
    list of StageCost, length 5
    """
    width = STEM_CHANNELS
    parts = [StageCost((27 + 2) * width, 27 * width * side**2)]
    for stage in split_stages(digits):
        blocks = [_block_cost(stage[0], width, 2 * width, side)]
        width, side = 2 * width, side // 2
        blocks += [_block_cost(digit, width, width, side) for digit in stage[1:]]
        parts.append(StageCost.total(blocks))
    head = (LAST_CHANNELS + 1) * num_classes
    last = width * LAST_CHANNELS
    parts.append(
        StageCost(last + 2 * LAST_CHANNELS + head, last * side**2 + LAST_CHANNELS * num_classes)
    )
    return parts


def receptive_fields(digits: str) -> list[int]:
    """Compute the receptive field at the end of each stage.

    Parameters
    ----------
    digits : str, length 8
        The blocks.

    Returns
    -------
    list of int, length 3
        Side of the receptive field, pixels.
    """
    field, step = 3, 1
    fields = []
    for stage in split_stages(digits):
        for index, digit in enumerate(stage):
            block = BLOCKS[int(digit)]
            field += (block[0] - 1) * step if block is not None else 0
            step *= 2 if index == 0 else 1
        fields.append(field)
    return fields


def _block_cost(digit: str, c_in: int, c_out: int, side: int) -> StageCost:
    """Compute the size of one block that reads ``side`` x ``side`` positions."""
    reduces = c_in != c_out
    places = (side // 2) ** 2 if reduces else side**2
    block = BLOCKS[int(digit)]
    if block is None:
        return StageCost((c_in + 2) * c_out, c_in * c_out * places) if reduces else StageCost(0, 0)
    kernel, expansion = block
    hidden = c_in * expansion
    widen, filters, narrow = c_in * hidden, kernel**2 * hidden, hidden * c_out
    return StageCost(
        widen + filters + narrow + 2 * (hidden + hidden + c_out),
        widen * side**2 + (filters + narrow) * places,
    )
