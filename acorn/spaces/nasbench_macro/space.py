"""NAS-Bench-Macro: one of three blocks in each of eight layers, in stages of two, three and three.

Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021, section 5.
"""

import itertools
import math
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from acorn.spaces.base import Architecture, Cost, Space
from acorn.spaces.nasbench_macro.cost import receptive_fields, stage_costs
from acorn.spaces.nasbench_macro.digits import (
    BLOCKS,
    LAYERS,
    canonical_digits,
    parse_digits,
    split_stages,
)

if TYPE_CHECKING:
    from torch import nn

    from acorn.datasets import Dataset


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

    def build(self, arch: str, dataset: "Dataset") -> "nn.Module":
        """Build the network of these blocks, identities included."""
        from acorn.spaces.nasbench_macro.network import MacroNetwork

        stages = [
            [BLOCKS[int(digit)] for digit in stage] for stage in split_stages(parse_digits(arch))
        ]
        return MacroNetwork(stages, dataset.num_classes)

    def cost(self, arch: str, dataset: "Dataset") -> Cost:
        """Evaluate closed forms, equal to the published numbers for every architecture.

        The publication counts convolutions and linear layers only, so ``flops`` is less than that
        of :mod:`acorn.graph`, which counts normalisation, activation and pooling as well.
        """
        parts = stage_costs(parse_digits(arch), dataset.num_classes, dataset.height)
        params = sum(part.params for part in parts)
        return Cost(params / 1e6, sum(part.macs for part in parts) / 1e6)

    def enumerate(self) -> Iterator[str]:
        """List all strings in lexical order."""
        return map("".join, itertools.product("012", repeat=LAYERS))

    def mutate(self, arch: str, *, seed: int) -> str:
        """Change the block of one layer."""
        rng = random.Random(seed)
        digits = [*parse_digits(arch)]
        layer = rng.randrange(LAYERS)
        digits[layer] = rng.choice([digit for digit in "012" if digit != digits[layer]])
        return "".join(digits)

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
        columns: dict[str, float] = {}
        for layer, digit in enumerate(digits):
            for choice in "012":
                columns[f"macro.layer_{layer}.{choice}"] = float(digit == choice)
        for choice in "12":
            columns[f"macro.count.{choice}"] = float(digits.count(choice))
        columns["macro.depth"] = float(sum(map(_depth, split_stages(digits))))
        costs = stage_costs(digits)
        columns["macro.log_params"] = math.log(sum(part.params for part in costs))
        columns["macro.log_macs"] = math.log(sum(part.macs for part in costs))
        fields = receptive_fields(digits)
        columns["macro.log_receptive_field"] = math.log(fields[-1])
        for index, stage in enumerate(split_stages(digits)):
            prefix = f"macro.stage_{index}"
            for choice in "12":
                columns[f"{prefix}.count.{choice}"] = float(stage.count(choice))
            columns[f"{prefix}.depth"] = float(_depth(stage))
            columns[f"{prefix}.log_params"] = math.log(costs[index + 1].params)
            columns[f"{prefix}.log_macs"] = math.log(costs[index + 1].macs)
            columns[f"{prefix}.log_receptive_field"] = math.log(fields[index])
        return columns


def _depth(stage: str) -> int:
    """Count the convolutions of a stage, which follow one another."""
    return 3 * len(stage.replace("0", "")) + (stage[0] == "0")
