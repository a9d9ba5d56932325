"""Architectures of NAS-Bench-Macro as eight digits, one a layer, and their canonical form.

A stage's first layer halves the resolution and doubles the width, so that an identity there is a
1x1 convolution. Everywhere else an identity is no layer at all, and its place in the stage makes
no difference: ``x0y`` and ``xy0`` build the same network. These are the only equivalent strings:
6,561 strings make 9 * 21 * 21 = 3,969 equivalence classes. The canonical string has the
identities of each stage after its blocks.
"""

import itertools
import re

from acorn.errors import InvalidArchitectureError, abbreviate

STAGES = (2, 3, 3)
"""Layers of each stage."""

LAYERS = sum(STAGES)

BLOCKS: tuple[tuple[int, int] | None, ...] = (None, (3, 3), (5, 6))
"""Kernel and expansion of each digit's inverted residual; None is the identity."""

STEM_CHANNELS = 32
LAST_CHANNELS = 1280

_PATTERN = re.compile(rf"[012]{{{LAYERS}}}")


def parse_digits(spec: object) -> str:
    """Read eight digits.

    Parameters
    ----------
    spec : str
        Text such as ``01201201``, also with spaces around it.

    Returns
    -------
    str, length 8
        The digits.

    Raises
    ------
    InvalidArchitectureError
        For anything else, in one line.
    """
    text = spec.strip() if isinstance(spec, str) else ""
    if not _PATTERN.fullmatch(text):
        raise InvalidArchitectureError(
            f"got {abbreviate(spec)}; expected {LAYERS} digits, one a layer: "
            "0 (identity), 1 (MB3_K3) or 2 (MB6_K5)"
        )
    return text


def split_stages(digits: str) -> list[str]:
    """Cut eight digits into those of the three stages.

    Parameters
    ----------
    digits : str, length 8
        The blocks.

    Returns
    -------
    list of str, length 3
        Digits of each stage.
    """
    ends = itertools.accumulate(STAGES)
    return [digits[end - length : end] for end, length in zip(ends, STAGES, strict=True)]


def canonical_digits(digits: str) -> str:
    """Move the identities of each stage behind its blocks, except that of the first layer.

    Parameters
    ----------
    digits : str, length 8
        The blocks.

    Returns
    -------
    str, length 8
        The same for exactly the equivalent architectures.
    """
    stages = []
    for stage in split_stages(digits):
        blocks = stage[0] + stage[1:].replace("0", "")
        stages.append(blocks.ljust(len(stage), "0"))
    return "".join(stages)
