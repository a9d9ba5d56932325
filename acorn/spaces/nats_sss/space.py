"""NATS-Bench's size space: one fixed cell, five widths (Dong et al., NATS-Bench, TPAMI 2021).

Every architecture is its own canonical form: two width vectors differ in some layer's number of
channels, so their networks have different parameters, and neither computes what the other does.
"""

import itertools
import math
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
from acorn.spaces.nats_sss.channels import LAYERS, SIZE, WIDTHS, format_channels, parse_channels
from acorn.spaces.nats_sss.cost import size_cost

if TYPE_CHECKING:
    from torch import nn


class NatsSizeSpace(Space):
    """The 32,768 width vectors of NATS-Bench's size space; see :class:`~acorn.spaces.Space`."""

    name = "nats_sss"
    description = "NATS-Bench size space: the widths of five layers, each 8 to 64 in steps of 8"
    example = "64:64:64:64:64"
    datasets = ("cifar10", "cifar100", "ImageNet16-120")
    size = SIZE

    def parse(self, spec: object) -> Architecture:
        """Read widths as :func:`~acorn.spaces.nats_sss.channels.parse_channels` does."""
        arch = format_channels(parse_channels(spec))
        return Architecture(self.name, arch, arch)

    def build(self, arch: str, dataset: Dataset) -> "nn.Module":
        """Build the network of these widths."""
        from acorn.spaces.nats_sss.network import SizeNetwork

        return SizeNetwork(parse_channels(arch), dataset.num_classes)

    def cost(self, arch: str, dataset: Dataset) -> Cost:
        """Evaluate closed forms; the parameter count is the published one of every architecture."""
        params, flops = size_cost(parse_channels(arch), dataset.num_classes, dataset.height)
        return Cost(params / 1e6, flops / 1e6)

    def enumerate(self) -> Iterator[str]:
        """List all width vectors, the last width changing fastest (the benchmark's own order)."""
        return map(format_channels, itertools.product(WIDTHS, repeat=LAYERS))

    def mutate(self, arch: str, *, seed: int) -> str:
        """Change one width to another, any of them equally likely."""
        return format_channels(change_one(parse_channels(arch), WIDTHS, seed=seed))

    def neighbours(self, arch: str) -> Iterator[Neighbour]:
        """Change each width to each other one: 35 architectures."""
        channels = parse_channels(arch)
        for place, width, changed in change_each(channels, WIDTHS):
            change = f"layer {place + 1}: {channels[place]} to {width} channels"
            yield Neighbour(format_channels(changed), change)

    def choice_values(self) -> dict[str, Sequence[int]]:
        """List the widths of each layer, such as ``width_0``."""
        return {f"width_{layer}": WIDTHS for layer in range(LAYERS)}

    def compose(self, values: Sequence[ChoiceValue]) -> str:
        """Write widths."""
        return format_channels(parse_channels(":".join(map(str, values))))

    def columns(self, canonical: str) -> dict[str, float]:
        """Describe the widths.

        Returns
        -------
        dict of str to float
            ``size.log_width_<i>``, ``size.log_product_<i>_<j>`` and ``size.log_ratio_<i>_<j>``
            (natural logarithms; the ratio is later over earlier), ``size.log_width_min`` and
            ``_max``, ``size.log_params`` and ``size.log_flops`` on CIFAR-10.
        """
        channels = parse_channels(canonical)
        logs = [math.log(width) for width in channels]
        columns = {f"size.log_width_{i}": value for i, value in enumerate(logs)}
        for i, j in itertools.combinations(range(LAYERS), 2):
            columns[f"size.log_product_{i}_{j}"] = logs[i] + logs[j]
            columns[f"size.log_ratio_{i}_{j}"] = logs[j] - logs[i]
        columns["size.log_width_min"] = min(logs)
        columns["size.log_width_max"] = max(logs)
        params, flops = size_cost(channels)
        columns["size.log_params"] = math.log(params)
        columns["size.log_flops"] = math.log(flops)
        return columns

    def describe_column(self, name: str) -> ColumnDescription | None:
        """Describe a width, a product or ratio of two widths, or a size."""
        if not name.startswith("size.log_"):
            return None
        kind, *numbers = name.removeprefix("size.log_").split("_")
        if kind in ("params", "flops"):
            title = {"params": "Parameters", "flops": "FLOPs"}[kind]
            return ColumnDescription(f"{title} (logarithm)", f"{title} on CIFAR-10.", "Size")
        if numbers[0] in ("min", "max"):
            title = {"min": "Narrowest layer", "max": "Widest layer"}[numbers[0]]
            return ColumnDescription(
                title, "Number of channels, logarithm.", "Narrowest and widest"
            )
        places = [str(int(number) + 1) for number in numbers]
        if kind == "width":
            title = f"Width of layer {places[0]}"
            return ColumnDescription(title, "Number of channels, logarithm.", f"Layer {places[0]}")
        what, group = {
            "product": ("Product", "Weights between layers"),
            "ratio": ("Growth", "Growth between layers"),
        }[kind]
        title = f"{what} of the widths of layers {places[0]} and {places[1]}"
        return ColumnDescription(title, "Logarithm.", group)
