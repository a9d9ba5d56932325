"""NAS-Bench-Macro: one of three blocks in each of eight layers.

Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021, section 5.

Three stages of two, three and three layers; a stage's first layer halves the resolution and
doubles the width, so that an identity there is a 1x1 convolution. Everywhere else an identity is
no layer at all, and it makes no difference where in its stage it stands: ``x0y`` and ``xy0`` build
the same network. That is the only way in which two strings are twins, and it leaves
9 * 21 * 21 = 3,969 functions of 6,561 strings. The canonical string has the identities of each
stage after its blocks.
"""

import itertools
import math
import random
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from acorn.errors import InvalidArchitectureError, abbreviate
from acorn.spaces.base import Architecture, Cost

if TYPE_CHECKING:
    from torch import nn

    from acorn.datasets import Dataset

STAGES = (2, 3, 3)
"""Layers of each stage."""

BLOCKS: tuple[tuple[int, int] | None, ...] = (None, (3, 3), (5, 6))
"""Kernel and expansion of each digit's inverted residual; None is the identity."""

_LAYERS = sum(STAGES)
_STEM, _LAST = 32, 1280
_PATTERN = re.compile(rf"[012]{{{_LAYERS}}}")


class StageCost(NamedTuple):
    """Size of one part of the network.

    Attributes
    ----------
    params
        Parameters, BatchNorm's included.
    macs
        Multiply-accumulates of convolutions and linear layers for one image.
    """

    params: int
    macs: int


class NasBenchMacroSpace:
    """The 6,561 block sequences of NAS-Bench-Macro."""

    name = "nasbench_macro"
    description = "NAS-Bench-Macro: eight layers, each an identity or one of two MobileNet blocks"
    example = "01201201"
    datasets = ("cifar10",)
    size = len(BLOCKS) ** _LAYERS

    def parse(self, spec: object) -> Architecture:
        """Read eight digits; raises :class:`~acorn.errors.InvalidArchitectureError`."""
        arch = _read(spec)
        return Architecture(self.name, arch, canonical_digits(arch))

    def build(self, arch: str, dataset: "Dataset") -> "nn.Module":
        """Build the network of these blocks, identities where they stand."""
        from acorn.spaces.nasbench_macro.network import MacroNetwork

        stages = [[BLOCKS[int(digit)] for digit in stage] for stage in split_stages(_read(arch))]
        return MacroNetwork(stages, dataset.num_classes)

    def cost(self, arch: str, dataset: "Dataset") -> Cost:
        """Closed forms, equal to the published numbers for every architecture.

        The publication counts convolutions and linear layers only, so ``flops`` is less than that
        of :mod:`acorn.graph`, which counts normalisation, activation and pooling as well.
        """
        parts = stage_costs(_read(arch), dataset.num_classes, dataset.height)
        params = sum(part.params for part in parts)
        return Cost(params / 1e6, sum(part.macs for part in parts) / 1e6)

    def enumerate(self) -> Iterator[str]:
        """All strings in lexical order."""
        return map("".join, itertools.product("012", repeat=_LAYERS))

    def sample(self, n: int, *, seed: int) -> list[str]:
        """``n`` distinct strings, uniformly."""
        return random.Random(seed).sample([*self.enumerate()], n)

    def mutate(self, arch: str, *, seed: int) -> str:
        """Change the block of one layer."""
        rng = random.Random(seed)
        digits = [*_read(arch)]
        layer = rng.randrange(_LAYERS)
        digits[layer] = rng.choice([digit for digit in "012" if digit != digits[layer]])
        return "".join(digits)

    def columns(self, canonical: str) -> dict[str, float]:
        """Columns of :func:`macro_columns`."""
        return macro_columns(_read(canonical))


def split_stages(digits: str) -> list[str]:
    """Cut eight digits into the three stages'."""
    ends = [*itertools.accumulate(STAGES)]
    return [digits[end - length : end] for end, length in zip(ends, STAGES, strict=True)]


def canonical_digits(digits: str) -> str:
    """Move the identities of each stage behind its blocks, except for the first layer's."""
    stages = []
    for stage in split_stages(digits):
        blocks = stage[0] + stage[1:].replace("0", "")
        stages.append(blocks.ljust(len(stage), "0"))
    return "".join(stages)


def macro_columns(digits: str) -> dict[str, float]:
    """Structure features of a canonical string.

    Returns
    -------
    dict
        ``macro.layer_<i>.<digit>``, one for each digit that the layer may have;
        ``macro.count.<digit>`` and ``macro.stage_<s>.count.<digit>`` of the two blocks;
        ``macro.depth`` and ``macro.stage_<s>.depth``, convolutions on the longest path;
        ``macro.log_params`` and ``macro.log_macs``, and the same of each stage, natural logarithms
        for CIFAR-10; ``macro.log_receptive_field`` of the last stage, and of each stage, pixels.
    """
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


def stage_costs(digits: str, num_classes: int = 10, side: int = 32) -> list[StageCost]:
    """Size of the stem, of each of the three stages, and of the last layers.

    Parameters
    ----------
    digits
        The blocks.
    num_classes, side
        Width of the logits; height and width of the image in pixels.
    """
    width = _STEM
    parts = [StageCost((27 + 2) * width, 27 * width * side**2)]
    for stage in split_stages(digits):
        blocks = [_block_cost(stage[0], width, 2 * width, side)]
        width, side = 2 * width, side // 2
        blocks += [_block_cost(digit, width, width, side) for digit in stage[1:]]
        parts.append(
            StageCost(sum(block.params for block in blocks), sum(block.macs for block in blocks))
        )
    head = (_LAST + 1) * num_classes
    last = width * _LAST
    parts.append(StageCost(last + 2 * _LAST + head, last * side**2 + _LAST * num_classes))
    return parts


def receptive_fields(digits: str) -> list[int]:
    """Side in pixels of what one position sees, at the end of each stage."""
    field, step = 3, 1
    fields = []
    for stage in split_stages(digits):
        for index, digit in enumerate(stage):
            block = BLOCKS[int(digit)]
            field += (block[0] - 1) * step if block is not None else 0
            step *= 2 if index == 0 else 1
        fields.append(field)
    return fields


def _read(spec: object) -> str:
    text = spec.strip() if isinstance(spec, str) else ""
    if not _PATTERN.fullmatch(text):
        raise InvalidArchitectureError(
            f"got {abbreviate(spec)}; expected {_LAYERS} digits, one a layer: "
            "0 (identity), 1 (MB3_K3) or 2 (MB6_K5)"
        )
    return text


def _block_cost(digit: str, c_in: int, c_out: int, side: int) -> StageCost:
    """Size of one block that sees ``side`` x ``side`` positions."""
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


def _depth(stage: str) -> int:
    """Convolutions that one stage puts one behind the other."""
    return 3 * len(stage.replace("0", "")) + (stage[0] == "0")
