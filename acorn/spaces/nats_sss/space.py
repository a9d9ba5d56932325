"""NATS-Bench's size space: one fixed cell, five widths (Dong et al., NATS-Bench, TPAMI 2021).

Every architecture is its own canonical form: two width vectors differ in some layer's number of
channels, so their networks have different parameters, and neither computes what the other does.
"""

import itertools
import math
import random
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from acorn.errors import InvalidArchitectureError, abbreviate
from acorn.spaces.base import Architecture, Cost
from acorn.spaces.spellings import read_index, read_integers

if TYPE_CHECKING:
    from torch import nn

    from acorn.datasets import Dataset

WIDTHS = tuple(range(8, 65, 8))
LAYERS = 5

Channels = tuple[int, int, int, int, int]
"""Widths of first cell, first reduction, second cell, second reduction, third cell."""

_WIDTH = "|".join(map(str, WIDTHS))
_PATTERN = re.compile(
    rf"({_WIDTH})\s*(?P<separator>[:,-])\s*({_WIDTH})"
    + rf"\s*(?P=separator)\s*({_WIDTH})" * (LAYERS - 2)
)


class NatsSizeSpace:
    """The 32,768 width vectors of NATS-Bench's size space."""

    name = "nats_sss"
    description = "NATS-Bench size space: the widths of five layers, each 8 to 64 in steps of 8"
    example = "64:64:64:64:64"
    datasets = ("cifar10", "cifar100", "ImageNet16-120")
    size = len(WIDTHS) ** LAYERS

    def parse(self, spec: object) -> Architecture:
        """Read widths or an index, as :func:`parse_channels` does; raises as it does."""
        arch = format_channels(parse_channels(spec))
        return Architecture(self.name, arch, arch)

    def build(self, arch: str, dataset: "Dataset") -> "nn.Module":
        """Build the network of these widths."""
        from acorn.spaces.nats_sss.network import SizeNetwork

        return SizeNetwork(parse_channels(arch), dataset.num_classes)

    def cost(self, arch: str, dataset: "Dataset") -> Cost:
        """Closed forms, equal to the published parameter count for every architecture."""
        channels = parse_channels(arch)
        params = size_params(channels, dataset.num_classes)
        flops = size_flops(channels, dataset.num_classes, dataset.height)
        return Cost(params / 1e6, flops / 1e6)

    def enumerate(self) -> Iterator[str]:
        """All width vectors, the last width changing fastest (the benchmark's own order)."""
        return (":".join(map(str, widths)) for widths in itertools.product(WIDTHS, repeat=LAYERS))

    def sample(self, n: int, *, seed: int) -> list[str]:
        """``n`` distinct width vectors, uniformly."""
        return random.Random(seed).sample([*self.enumerate()], n)

    def mutate(self, arch: str, *, seed: int) -> str:
        """Change one width to another, any of them equally likely."""
        rng = random.Random(seed)
        channels = list(parse_channels(arch))
        layer = rng.randrange(LAYERS)
        channels[layer] = rng.choice([width for width in WIDTHS if width != channels[layer]])
        return ":".join(map(str, channels))

    def columns(self, canonical: str) -> dict[str, float]:
        """Columns of :func:`size_columns`."""
        return size_columns(parse_channels(canonical))


def parse_channels(spec: object) -> Channels:
    """Read five widths, in any of the spellings in use.

    Parameters
    ----------
    spec
        Text ``64:64:64:64:64``, also with spaces and with ``-`` or ``,`` for ``:``; a list or tuple
        of five integers, or its text; or the index in NATS-Bench's order, 0 to 32767, as an integer
        or as text.

    Raises
    ------
    InvalidArchitectureError
        For anything else, in one line.
    """
    match = _PATTERN.fullmatch(spec.strip()) if isinstance(spec, str) else None
    if match is not None:
        a, _, b, c, d, e = match.groups()
        return int(a), int(b), int(c), int(d), int(e)
    index = read_index(spec, NatsSizeSpace.size, benchmark="NATS-Bench")
    if index is not None:
        return _channels_at(index)
    widths = read_integers(spec, LAYERS)
    if widths is None or not set(widths) <= set(WIDTHS):
        raise InvalidArchitectureError(
            f"got {abbreviate(spec)}; expected five widths 'a:b:c:d:e' or [a, b, c, d, e], "
            f"each one of {', '.join(map(str, WIDTHS))}, "
            f"or an index from 0 to {NatsSizeSpace.size - 1}"
        )
    a, b, c, d, e = widths
    return a, b, c, d, e


def _channels_at(index: int) -> Channels:
    """Widths at an index in the benchmark's order: its digits to the base of eight."""
    digits = []
    for _ in range(LAYERS):
        index, digit = divmod(index, len(WIDTHS))
        digits.append(WIDTHS[digit])
    e, d, c, b, a = digits
    return a, b, c, d, e


def format_channels(channels: Channels) -> str:
    """Spell widths as the benchmark does."""
    return ":".join(map(str, channels))


def size_columns(channels: Channels) -> dict[str, float]:
    """Structure features that the widths have by themselves.

    Returns
    -------
    dict
        ``size.log_width_<i>``, ``size.log_product_<i>_<j>`` and ``size.log_ratio_<i>_<j>``
        (natural logarithms; the ratio is later over earlier), ``size.log_width_min`` and ``_max``,
        ``size.log_params`` and ``size.log_flops`` on CIFAR-10.
    """
    logs = [math.log(width) for width in channels]
    columns = {f"size.log_width_{i}": value for i, value in enumerate(logs)}
    for i, j in itertools.combinations(range(LAYERS), 2):
        columns[f"size.log_product_{i}_{j}"] = logs[i] + logs[j]
        columns[f"size.log_ratio_{i}_{j}"] = logs[j] - logs[i]
    columns["size.log_width_min"] = min(logs)
    columns["size.log_width_max"] = max(logs)
    columns["size.log_params"] = math.log(size_params(channels))
    columns["size.log_flops"] = math.log(size_flops(channels))
    return columns


def size_params(channels: Channels, num_classes: int = 10) -> int:
    """Exact number of parameters, without building the network.

    Equal to the published count for every row of the benchmark.
    """
    a, b, c, d, e = channels
    stem, head = 27 * a + 2 * a, 2 * e + (e + 1) * num_classes
    return (
        stem
        + _cell_params(a, a)
        + _reduction_params(a, b)
        + _cell_params(b, c)
        + _reduction_params(c, d)
        + _cell_params(d, e)
        + head
    )


def size_flops(channels: Channels, num_classes: int = 10, side: int = 32) -> int:
    """Exact operations for one ``side`` x ``side`` image, in `acorn.graph`'s convention."""
    a, b, c, d, e = channels
    full, half, quarter = side**2, (side // 2) ** 2, (side // 4) ** 2
    stem, head = (27 + 2) * a * full, 3 * e * quarter + e * (side // 4 + 1) ** 2 + e * num_classes
    return (
        stem
        + full * _cell_flops(a, a)
        + half * _reduction_flops(a, b)
        + half * _cell_flops(b, c)
        + quarter * _reduction_flops(c, d)
        + quarter * _cell_flops(d, e)
        + head
    )


def _cell_params(c_in: int, c_out: int) -> int:
    skip = (c_in + 2) * c_out if c_in != c_out else 0
    return 2 * (9 * c_in + 2) * c_out + 3 * (9 * c_out + 2) * c_out + skip


def _reduction_params(c_in: int, c_out: int) -> int:
    return (9 * c_in + 2) * c_out + (9 * c_out + 2) * c_out + c_in * c_out


def _cell_flops(c_in: int, c_out: int) -> int:
    """Operations per position: each parameter once, and each ReLU's input once."""
    return _cell_params(c_in, c_out) + 2 * c_in + 3 * c_out


def _reduction_flops(c_in: int, c_out: int) -> int:
    """Operations per output position: the first ReLU and the pooling see four input positions."""
    return _reduction_params(c_in, c_out) + 4 * c_in + c_out + 4 * c_in
