"""What a DARTS network costs, by arithmetic.

Parameters are those that the published code counts without the auxiliary head. No FLOPs are
published for CIFAR; they follow the convention of :mod:`acorn.graph`, for all that a
forward runs.
"""

from acorn.spaces.base import Cost
from acorn.spaces.darts.genotype import Genotype
from acorn.spaces.darts.skeleton import STEM_DIVISOR, PlacedCell, choose_skeleton, place_cells

_Count = tuple[int, int]
"""Parameters, and operations for one image."""


def darts_cost(genotype: Genotype, *, num_classes: int, side: int) -> Cost:
    """Sum over stem, cells and head.

    Parameters
    ----------
    genotype : Genotype
        The cells.
    num_classes : int
        Width of the logits.
    side : int
        Height and width of the image, pixels.

    Returns
    -------
    Cost
    """
    skeleton = choose_skeleton(side)
    width = skeleton.stem_width
    if skeleton.is_large:
        counts = [
            _conv_bn(3, width // 2, side // 2),
            (0, width // 2 * (side // 2) ** 2),
            _conv_bn(width // 2, width, side // 4),
            (0, width * (side // 4) ** 2),
            _conv_bn(width, width, side // STEM_DIVISOR),
        ]
        side //= STEM_DIVISOR
    else:
        counts = [_conv_bn(3, width, side)]
    for placed in place_cells(genotype, skeleton):
        counts += _cell(placed, side)
        side //= 2 if placed.reduces else 1
        width = placed.width
    counts.append(((width + 1) * num_classes, width * (side + 1) ** 2 + width * num_classes))
    params, flops = map(sum, zip(*counts, strict=True))
    return Cost(params / 1e6, flops / 1e6)


def _cell(placed: PlacedCell, side: int) -> list[_Count]:
    """Count the entrances and the operations of a cell whose last input has ``side`` rows."""
    channels, out = placed.channels, side // 2 if placed.reduces else side
    if placed.after_reduction:
        counts = [_factorized_reduce(placed.before_last, channels, 2 * side)]
    else:
        counts = [_relu_conv_bn(placed.before_last, channels, side)]
    counts.append(_relu_conv_bn(placed.last, channels, side))
    for node in placed.cell.nodes:
        for name, source in node:
            counts.append(_operation(name, channels, side if source < 2 else out, out))
    return counts


def _operation(name: str, channels: int, side: int, out: int) -> _Count:
    """Count one operation from ``side`` x ``side`` to ``out`` x ``out`` positions."""
    before, after = channels * side**2, channels * out**2
    if name == "none":
        return 0, 0
    if name == "skip_connect":
        return (0, 0) if side == out else _factorized_reduce(channels, channels, side)
    if "pool" in name:
        return 0, 9 * after
    if name == "conv_7x1_1x7":
        across = 7 * channels * channels * side * out
        return 14 * channels**2 + 2 * channels, before + across + (7 * channels + 2) * after
    kernel = int(name[-1])
    params = (kernel**2 + channels + 2) * channels
    flops = (kernel**2 + channels + 2) * after
    if name.startswith("sep"):  # twice, the second time at the output's resolution
        return 2 * params, before + after + 2 * flops
    return params, before + flops


def _conv_bn(c_in: int, c_out: int, out: int) -> _Count:
    """Count a 3x3 convolution and BatchNorm with ``out`` x ``out`` positions."""
    params = (9 * c_in + 2) * c_out
    return params, params * out**2


def _relu_conv_bn(c_in: int, c_out: int, side: int) -> _Count:
    params = (c_in + 2) * c_out
    return params, (c_in + params) * side**2


def _factorized_reduce(c_in: int, c_out: int, side: int) -> _Count:
    params = (c_in + 2) * c_out
    return params, c_in * side**2 + params * (side // 2) ** 2
