"""Sets of features among which model selection chooses."""

import re
from collections.abc import Sequence

from acorn.proxies import list_proxies

GRAPH = "graph."
"""Prefix of the structure features that every network has."""

COST = "graph.cost_"
"""Prefix of the structure features that tell how long a device takes."""

DESIGN = "graph.design_"
"""Prefix of the structure features of the building blocks of real networks."""

_SCALE_FREE = re.compile(r"[._]log_|share|_per_layer|_intensity").search

SIZE = (
    "synflow",
    "l2_norm",
    "params",
    "flops",
    "nwot",
    "graph.log_activations",
    "graph.width_min",
    "graph.path_longest_spatial",
    "graph.path_mean",
)
"""Features of size, depth, width and signal propagation.

In every known space, accuracy rises with each of these if all others are equal. A monotone forest
uses this for spaces that it was not trained on.
"""


def scale_free(names: Sequence[str]) -> list[int]:
    """Find the structure features of topology and cost that are logarithms, shares or ratios.

    Counts and widths grow without bound with the size of a network. Between families of networks,
    distances in these columns would be distances in size. The columns of :data:`DESIGN` are left
    out, because new designs have to be recognised as networks for real images.

    Parameters
    ----------
    names : sequence of str
        Columns of a table.

    Returns
    -------
    list of int
        Their columns.
    """
    return [
        place
        for place, name in enumerate(names)
        if name.startswith(GRAPH) and not name.startswith(DESIGN) and _SCALE_FREE(name)
    ]


def feature_sets(names: Sequence[str]) -> dict[str, list[int]]:
    """Find the feature sets of a table.

    Parameters
    ----------
    names : sequence of str
        Columns of the table.

    Returns
    -------
    dict of str to list of int
        Columns of each set: ``structure``, ``proxies`` and ``both``; ``topology``, which is
        structure without the columns of :data:`COST` and :data:`DESIGN`; ``space``, which has only
        the structure features of the space, and ``space_and_proxies``; ``size``, the features of
        :data:`SIZE`.
        Cheaper sets come first. Sets that are empty or equal to another one are left out.
    """
    known = set(list_proxies())
    proxies = {name for name in names if name in known}
    structure = set(names) - proxies
    space = {name for name in structure if not name.startswith(GRAPH)}
    space_only = space if space != structure else set()  # otherwise equal to other sets
    costs = {name for name in structure if name.startswith((COST, DESIGN))}
    sets = {
        "topology": structure - costs if costs else set(),
        "structure": structure,
        "space": space_only,
        "proxies": proxies,
        "size": set(SIZE) if not space and set(SIZE) <= set(names) else set(),
        "space_and_proxies": space_only | proxies if space_only and proxies else set(),
        "both": set(names) if structure and proxies else set(),
    }
    return {
        name: [place for place, column in enumerate(names) if column in members]
        for name, members in sets.items()
        if members
    }
