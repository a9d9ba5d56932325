"""NAS-Bench-Macro: one of three blocks in each of eight layers, in stages of two, three and three.

Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021, section 5.
"""

import itertools
import math
import re
from bisect import bisect_right
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
from acorn.spaces.nasbench_macro.cost import StageCost, receptive_fields, stage_costs
from acorn.spaces.nasbench_macro.digits import (
    BLOCKS,
    LAYERS,
    STAGES,
    canonical_digits,
    parse_digits,
    split_stages,
)

if TYPE_CHECKING:
    from torch import nn


DIGITS = "012"
BLOCK_NAMES = {
    str(digit): "identity" if block is None else f"kernel {block[0]}, expansion {block[1]}"
    for digit, block in enumerate(BLOCKS)
}
QUANTITY_NAMES = {
    "depth": "convolutions on the longest path",
    "log_params": "parameters (logarithm)",
    "log_macs": "multiply-accumulates (logarithm)",
    "log_receptive_field": "receptive field (logarithm)",
} | {f"count.{digit}": f"blocks of {BLOCK_NAMES[digit]}" for digit in "12"}


class NasBenchMacroSpace(Space):
    """The 6,561 block sequences of NAS-Bench-Macro; see :class:`~acorn.spaces.Space`."""

    name = "nasbench_macro"
    description = "NAS-Bench-Macro: eight layers, each an identity or one of two MobileNet blocks"
    example = "01201201"
    datasets = ("cifar10",)
    size = len(BLOCKS) ** LAYERS

    def parse(self, spec: object) -> Architecture:
        """Read eight digits; raises :class:`~acorn.errors.InvalidArchitectureError`."""
        arch = parse_digits(spec)
        return Architecture(self.name, arch, canonical_digits(arch))

    def build(self, arch: str, dataset: Dataset) -> "nn.Module":
        """Build the network of these blocks, identities included."""
        from acorn.spaces.nasbench_macro.network import MacroNetwork

        return MacroNetwork(parse_digits(arch), dataset.num_classes)

    def cost(self, arch: str, dataset: Dataset) -> Cost:
        """Evaluate closed forms, equal to the published numbers for every architecture.

        The publication counts convolutions and linear layers only, so ``flops`` is less than that
        of :mod:`acorn.graph`, which counts normalisation, activation and pooling as well.
        """
        parts = stage_costs(parse_digits(arch), dataset.num_classes, dataset.height)
        params, macs = StageCost.total(parts)
        return Cost(params / 1e6, macs / 1e6)

    def enumerate(self) -> Iterator[str]:
        """List all strings in lexical order."""
        return map("".join, itertools.product(DIGITS, repeat=LAYERS))

    def mutate(self, arch: str, *, seed: int) -> str:
        """Change the block of one layer."""
        return "".join(change_one(parse_digits(arch), DIGITS, seed=seed))

    def neighbours(self, arch: str) -> Iterator[Neighbour]:
        """Change the block of each layer to each other one: 16 architectures."""
        digits = parse_digits(arch)
        for layer, digit, changed in change_each(digits, DIGITS):
            before, after = BLOCK_NAMES[digits[layer]], BLOCK_NAMES[digit]
            yield Neighbour("".join(changed), f"layer {layer + 1}: {before} to {after}")

    def choice_values(self) -> dict[str, str]:
        """List the digits of each layer, such as ``layer_0``."""
        return {f"layer_{layer}": DIGITS for layer in range(LAYERS)}

    def compose(self, values: Sequence[ChoiceValue]) -> str:
        """Write digits."""
        return parse_digits("".join(map(str, values)))

    def columns(self, canonical: str) -> dict[str, float]:
        """Describe the blocks, in the whole network and in each stage.

        Returns
        -------
        dict of str to float
            ``macro.layer_<i>.<digit>``, one for each digit that the layer may have;
            ``macro.count.<digit>`` and ``macro.stage_<s>.count.<digit>`` of the two blocks;
            ``macro.depth`` and ``macro.stage_<s>.depth``, convolutions on the longest path;
            ``macro.log_params`` and ``macro.log_macs``, and the same of each stage, natural
            logarithms for CIFAR-10; ``macro.log_receptive_field`` of the last stage, and of each
            stage, pixels.
        """
        digits = parse_digits(canonical)
        stages, costs, fields = split_stages(digits), stage_costs(digits), receptive_fields(digits)
        columns = {
            f"macro.layer_{layer}.{choice}": float(digit == choice)
            for layer, digit in enumerate(digits)
            for choice in DIGITS
        }
        parts = [("macro", digits, sum(map(_depth, stages)), StageCost.total(costs), fields[-1])]
        for index, stage in enumerate(stages):
            part = (f"macro.stage_{index}", stage, _depth(stage), costs[index + 1], fields[index])
            parts.append(part)
        for prefix, blocks, depth, cost, field in parts:
            for choice in "12":
                columns[f"{prefix}.count.{choice}"] = float(blocks.count(choice))
            columns[f"{prefix}.depth"] = float(depth)
            columns[f"{prefix}.log_params"] = math.log(cost.params)
            columns[f"{prefix}.log_macs"] = math.log(cost.macs)
            columns[f"{prefix}.log_receptive_field"] = math.log(field)
        return columns

    def describe_column(self, name: str) -> ColumnDescription | None:
        """Describe a block of a layer, or a quantity of the network or of a stage."""
        prefix, _, column = name.partition(".")
        if prefix != "macro":
            return None
        if match := re.fullmatch(r"layer_(\d)\.(\d)", column):
            layer = int(match[1])
            group = f"Stage {bisect_right([*itertools.accumulate(STAGES)], layer) + 1}"
            title = f"Layer {layer + 1}: {BLOCK_NAMES[match[2]]}"
            return ColumnDescription(title, "1 if the layer has the block, else 0.", group)
        stage = re.match(r"stage_(\d)\.", column)
        group = f"Stage {int(stage[1]) + 1}" if stage else "Whole network"
        title = f"{group}: {QUANTITY_NAMES[column[len(stage[0]) if stage else 0 :]]}"
        return ColumnDescription(title, f"{title}.", group)


def _depth(stage: str) -> int:
    """Count the convolutions of a stage, which follow one another."""
    return 3 * len(stage.replace("0", "")) + (stage[0] == "0")
