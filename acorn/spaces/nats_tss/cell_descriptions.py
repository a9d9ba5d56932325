"""Titles, sentences and groups of the columns of a cell."""

import re

from acorn.spaces.base import ColumnDescription
from acorn.spaces.nats_tss.path_columns import LETTERS, POOL

OPERATION_NAMES = {
    "none": "no operation",
    "skip_connect": "skip",
    "nor_conv_1x1": "1x1 convolution",
    "nor_conv_3x3": "3x3 convolution",
    "avg_pool_3x3": "pooling",
}
LETTER_OF = {**LETTERS, "avg_pool_3x3": POOL}
LETTER_NAMES = {letter: OPERATION_NAMES[operation] for operation, letter in LETTER_OF.items()}
PATHS, POOLING, SKIPS = "Depth and paths", "Pooling", "Skips and missing edges"
GROUP_OF_LETTER = {"1": "1x1 convolutions", "3": "3x3 convolutions", POOL: POOLING}
MEASURE_NAMES = {
    "conv": "convolutions on a path",
    "conv3x3": "3x3 convolutions on a path",
    "conv1x1": "1x1 convolutions on a path",
    "pool": "poolings on a path",
    "length": "operations on a path",
    "field": "receptive field of a path",
}
STATISTICS = {
    "max": "largest number",
    "min": "smallest number",
    "sum": "sum",
    "mean": "mean",
    "std": "standard deviation",
}
SUBSETS = {
    "shortest": "Shortest path of",
    "longest": "Longest path of",
    "paths": "Number of paths of",
    "degree_in": "Edges into the output with",
    "degree_out": "Edges out of the input with",
}


def describe(name: str) -> ColumnDescription | None:
    """Describe a column of a cell.

    Parameters
    ----------
    name : str
        Name of a column.

    Returns
    -------
    ColumnDescription or None
        None if no cell has the column.
    """
    kind, _, rest = name.partition(".")
    if kind == "twins":
        return _describe_average(*rest.split(".", 1))
    title = {"paths": _path_title, "terms": _term_title, "variance": _variance_title}.get(kind)
    if title is None:
        return None
    text, group = title(rest)
    what = {
        "paths": "Counted over all paths from the input to the output of the cell.",
        "terms": "Counted in the normal form of the cell.",
        "variance": "Weighted by the variance that a path adds to the output, at initialisation.",
    }[kind]
    return ColumnDescription(text, what, "Variance of the signal" if kind == "variance" else group)


def _describe_average(kind: str, operations: str) -> ColumnDescription:
    names = [OPERATION_NAMES[operation] for operation in operations.split("+")]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    letters = "".join(LETTER_OF.get(operation, "") for operation in operations.split("+"))
    if kind.startswith("edge_"):
        title = f"Edge {kind[-2]} to {kind[-1]}: {listed}"
    elif kind == "count":
        title = f"Edges with {listed}"
    else:
        title = f"{SUBSETS[kind]} {listed} only"
    return ColumnDescription(
        title, "Mean over all equivalent cells of the space.", _group_of(letters)
    )


def _path_title(rest: str) -> tuple[str, str]:
    if rest == "count":
        return "Number of paths", PATHS
    kind, _, value = rest.partition(".")
    if kind == "word":
        if value == "identity":
            return "Paths of skips only", SKIPS
        return "Paths: " + ", ".join(LETTER_NAMES[letter] for letter in value), _group_of(value)
    return _measured(rest)


def _variance_title(rest: str) -> tuple[str, str]:
    fixed = {
        "total": "Variance of the output",
        "entropy": "How evenly the paths share the variance (entropy)",
        "identity": "Share of the path of skips only",
    }
    if rest in fixed:
        return fixed[rest], PATHS
    if match := re.fullmatch(r"(first|last)_(.)", rest):
        return f"Share of paths whose {match[1]} operation is a {LETTER_NAMES[match[2]]}", PATHS
    return _measured(rest)


def _term_title(rest: str) -> tuple[str, str]:
    fixed = {
        "count": ("Terms in the output sum", PATHS),
        "p": ("Pooled terms in the output sum", POOLING),
        "conv_of_pooled": ("Convolutions that read pooled inputs only", POOLING),
        "fan_in.max": ("Most inputs of a convolution", PATHS),
        "fan_in.mean": ("Mean number of inputs of a convolution", PATHS),
    }
    if rest in fixed:
        return fixed[rest]
    *kinds, letter = rest.split(".")
    kind = {"conv": "All {}s", "distinct": "Distinct {}s"}.get(
        "".join(kinds), "{}s in the output sum"
    )
    return kind.format(LETTER_NAMES[letter]), GROUP_OF_LETTER[letter]


def _measured(rest: str) -> tuple[str, str]:
    """Describe a statistic of a measure of paths, or a share of the paths."""
    if match := re.fullmatch(r"with_(\d)_(\w+)", rest):
        measure = MEASURE_NAMES[match[2]].removesuffix(" on a path")
        group = "3x3 convolutions" if match[2] == "conv3x3" else PATHS
        return f"Paths with {match[1]} {measure}", group
    if match := re.fullmatch(r"share_(\w+)", rest):
        kind = {"identity": "skips only", "linear": "skips and pooling only"}[match[1]]
        return f"Share of paths of {kind}", SKIPS
    measure, statistic = rest.split(".")
    groups = {
        "conv3x3": "3x3 convolutions",
        "conv1x1": "1x1 convolutions",
        "pool": POOLING,
    }
    title = f"{MEASURE_NAMES[measure].capitalize()} ({STATISTICS[statistic]})"
    return title, groups.get(measure, PATHS)


def _group_of(letters: str) -> str:
    """Choose a group: pooling, else both or one kind of convolutions, else skips."""
    if POOL in letters:
        return POOLING
    kinds = {letter for letter in letters if letter in GROUP_OF_LETTER}
    if len(kinds) == 2:
        return "Convolutions of both sizes"
    return GROUP_OF_LETTER[kinds.pop()] if kinds else SKIPS
