"""What a DARTS network costs, by arithmetic.

Parameters are those that the published code counts without the auxiliary head. No FLOPs are
published for CIFAR; they follow the convention of :mod:`acorn.graph`, for all that a
forward runs.
"""

from acorn.spaces.base import Cost
from acorn.spaces.darts.genotype import Cell, Genotype

_Count = tuple[int, int]
"""Parameters, and operations for one image."""


def darts_cost(
    genotype: Genotype, *, cells: int, channels: int, num_classes: int, side: int
) -> Cost:
    """Sum over stem, cells and head, for images of ``side`` x ``side`` pixels."""
    before_last = last = 3 * channels
    counts = [(29 * last, 29 * last * side**2)]  # 3x3 convolution of three channels, BatchNorm
    after_reduction = False
    for index in range(cells):
        reduces = index in (cells // 3, 2 * cells // 3)
        cell = genotype.reduce if reduces else genotype.normal
        channels *= 2 if reduces else 1
        if after_reduction:
            counts.append(_factorized_reduce(before_last, channels, 2 * side))
        else:
            counts.append(_relu_conv_bn(before_last, channels, side))
        counts.append(_relu_conv_bn(last, channels, side))
        counts += _edges(cell, channels, side, reduces=reduces)
        side //= 2 if reduces else 1
        before_last, last = last, len(cell.concat) * channels
        after_reduction = reduces
    counts.append(((last + 1) * num_classes, last * (side + 1) ** 2 + last * num_classes))
    return Cost(sum(params for params, _ in counts) / 1e6, sum(flops for _, flops in counts) / 1e6)


def _edges(cell: Cell, channels: int, side: int, *, reduces: bool) -> list[_Count]:
    counts = []
    for name, source in (edge for node in cell.nodes for edge in node):
        halved = side // 2 if reduces else side
        if reduces and source < 2:
            counts.append(_operation(name, channels, side, halved))
        else:
            counts.append(_operation(name, channels, halved, halved))
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


def _relu_conv_bn(c_in: int, c_out: int, side: int) -> _Count:
    params = (c_in + 2) * c_out
    return params, (c_in + params) * side**2


def _factorized_reduce(c_in: int, c_out: int, side: int) -> _Count:
    params = (c_in + 2) * c_out
    return params, c_in * side**2 + params * (side // 2) ** 2
