"""Titles, sentences and groups of feature columns, and contributions by group."""

import ast
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float

from acorn.conditions import IMAGE_SIZE
from acorn.conditions import PREFIX as CONDITION_PREFIX
from acorn.features.recipe import PROXIES_FOLDER, proxy_names
from acorn.spaces import SPACES
from acorn.spaces.base import ColumnDescription

MOST_GROUPS = 8
"""Groups that an explanation has at most; the smallest ones become :data:`OTHER`."""

OTHER = "Other"

_GRAPH_GROUPS = (
    (r"log_(params|macs|flops|macs_per_param)|head_params_share", "Size"),
    (
        r"log_activations|log_largest_activation|downsampling|stage_\d_side|count_strided",
        "Resolution",
    ),
    (r"width_.*|stage_\d_width", "Width"),
    (r"path_.*|nodes|stage_\d_layers|stage_\d_macs_share", "Depth and paths"),
    (
        r"kernel_.*|field_.*|count_(conv|spatial|pointwise|depthwise)|share_(pointwise|grouped)",
        "Convolutions",
    ),
    (r"join.*|skip_.*|out_degree_.*|count_(add|concat|mul)", "Skip connections"),
    (r"cost_.*", "Time on devices"),
    (r"design_.*", "Building blocks"),
    (r".*", "Kinds of layers"),
)
"""The first pattern that matches a column of structure features decides its group."""

_STRUCTURE_TITLES = {
    "log_macs": "Multiply-accumulates (logarithm)",
    "log_flops": "FLOPs (logarithm)",
    "log_macs_per_param": "Multiply-accumulates per parameter (logarithm)",
    "head_params_share": "Share of the parameters in the head",
    "share_pool": "Share of poolings among the layers",
    "skip_edges": "Skip connections",
    "skip_share": "Share of skip connections among the operands of joins",
    "cost_log_moved": "Numbers that are moved only (logarithm)",
    **{
        f"design_share_norm_{kind}": f"Share of {kind} norms among the normalisations"
        for kind in ("batch", "layer", "group")
    },
    **{
        f"design_share_activation_{kind}": f"Share of {title} among the activations"
        for kind, title in {
            "relu": "ReLU",
            "gelu": "GELU",
            "silu": "SiLU",
            "hard": "hard swish",
        }.items()
    },
}
"""Titles of columns whose sentence is too long for one or unclear as one."""

_PROXY_GROUPS = {
    "Size": "params flops l2_norm az_complexity trainable_layers",
    "Activation proxies": "az_expressivity az_progressivity eznas_a eznas_a_closed local_entropy "
    "meco meco_opt near nwot nwot_noise swap zen",
    "Gradient proxies": "az_trainability croze croze_ascent epe_nas eznas_a_data fisher grad_norm "
    "grasp jacob_fro jacov plain robust_zcp snip synflow vkdnw zico",
}
_GROUP_OF_PROXY = {name: group for group, names in _PROXY_GROUPS.items() for name in names.split()}
"""A table, because the registry of proxies imports torch, and a server does not."""


@cache
def describe(name: str) -> ColumnDescription:
    """Describe a feature column.

    Parameters
    ----------
    name : str
        Name of a proxy, of a structure feature, of a column of a space or of a condition.

    Returns
    -------
    ColumnDescription
        For a column that its space does not describe, the title is the name.
    """
    if name.startswith(CONDITION_PREFIX):
        return _describe_condition(name.removeprefix(CONDITION_PREFIX))
    if name.startswith("graph."):
        return _describe_structure(name.removeprefix("graph."))
    for space in SPACES.values():
        described = space.describe_column(name)
        if described is not None:
            return described
    if "." in name:
        text = f"The column {name} of the space."
        return ColumnDescription(name, text, "Choices of the architecture")
    text = _proxy_text(name) if name in proxy_names() else f"The zero-cost proxy {name}."
    return ColumnDescription(name, text, _GROUP_OF_PROXY.get(name, "Other proxies"))


def group_contributions(
    names: Sequence[str], values: Float[np.ndarray, " features"]
) -> list[tuple[str, float]]:
    """Add up the contributions of the columns of each group.

    Parameters
    ----------
    names : sequence of str
        Feature columns.
    values : ndarray of float, shape (features,)
        Their contributions to one prediction, in the unit of the target or in its logarithm.

    Returns
    -------
    list of (str, float)
        At most :data:`MOST_GROUPS` groups with their contributions, largest first; the last may be
        :data:`OTHER`. Groups without a contribution are left out.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    for name, value in zip(names, values.tolist(), strict=True):
        if value:
            sums[describe(name).group] += value
    groups = sorted(sums.items(), key=lambda item: -abs(item[1]))
    if len(groups) > MOST_GROUPS:
        kept, rest = groups[: MOST_GROUPS - 1], groups[MOST_GROUPS - 1 :]
        groups = [*kept, (OTHER, sum(value for _, value in rest))]
    return groups


def _describe_condition(name: str) -> ColumnDescription:
    condition, _, value = name.partition(".")
    title = condition.replace("_", " ").capitalize()
    group = "Resolution" if condition == IMAGE_SIZE else title
    if not value:
        return ColumnDescription(title, f"The condition {condition}.", group)
    text = f"1 if the condition {condition} is {value}, else 0."
    return ColumnDescription(f"{title}: {value.replace('_', ' ')}", text, group)


def _proxy_text(name: str) -> str:
    """Read the sentence of a proxy from its module, without importing it, which needs torch."""
    module = PROXIES_FOLDER / f"{name}.py"
    document = ast.get_docstring(ast.parse(module.read_text("utf-8"))) or ""
    text = " ".join(document.partition("\n\n")[0].partition(": ")[2].split())
    return text[:1].upper() + text[1:]


def _describe_structure(name: str) -> ColumnDescription:
    group = next(group for pattern, group in _GRAPH_GROUPS if re.fullmatch(pattern, name))
    words = re.sub("^(cost|design)_", "", name).replace("_", " ").replace("macs", "MACs")
    if name in _STRUCTURE_TITLES:
        return ColumnDescription(
            title := _STRUCTURE_TITLES[name], _structure_texts().get(name, title), group
        )
    if stage := re.fullmatch(r"stage (\d) (.+)", words):
        text = _structure_texts().get(re.sub(r"\d", "<i>", name, count=1), words)
        return ColumnDescription(f"Stage {int(stage[1]) + 1}: {stage[2]}", text, group)
    text = _structure_texts().get(name, "")
    title = re.sub(r"^log\(1 \+ (.+)\)$", r"\1 (logarithm)", text)
    if not title or len(title) > 70:
        title = re.sub(r"^log (.+)$", r"\1 (logarithm)", words)
    return ColumnDescription(title[0].upper() + title[1:], text or title, group)


@cache
def _structure_texts() -> dict[str, str]:
    """Read the sentence of each column from the documentation of the functions."""
    from acorn.graph.cost_features import cost_features
    from acorn.graph.design_features import design_features
    from acorn.graph.structure import structure_features

    texts = {}
    prefixes = {"": structure_features, "cost_": cost_features, "design_": design_features}
    for prefix, function in prefixes.items():
        notes = re.sub(r"\n +(?=[^ -])", " ", function.__doc__ or "")
        for name, text in re.findall(r"- ``(\S+)``: (.*)", notes):
            texts[prefix + name] = text
    return texts
