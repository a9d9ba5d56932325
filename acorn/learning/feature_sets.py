"""Which features a forest may read: the sets that compete for it."""

from collections.abc import Sequence

from acorn.proxies import list_proxies

GRAPH = "graph."
"""Prefix of the structure features that every network has; those of a space have others."""

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
"""How large, deep and wide a network is, and how well it passes signals on.

Accuracy rises with each of these in every space known to us, all else equal, which a forest for
spaces that it has never seen can be told.
"""


def feature_sets(names: Sequence[str]) -> dict[str, list[int]]:
    """Find the sets that a table has, each by the numbers of its columns.

    Parameters
    ----------
    names
        Columns of the table.

    Returns
    -------
    dict
        ``structure`` and ``proxies``; ``both``; ``space``, the structure features of the space
        alone, and ``space_and_proxies``; ``size``, the few of :data:`SIZE`. The cheaper ones come
        first; sets that are empty, or that would repeat another one, are left out.
    """
    known = set(list_proxies())
    proxies = {name for name in names if name in known}
    structure = set(names) - proxies
    space = {name for name in structure if not name.startswith(GRAPH)}
    own = space if space != structure else set()  # else they would be the sets of every table
    sets = {
        "structure": structure,
        "space": own,
        "proxies": proxies,
        "size": set(SIZE) if not space and set(SIZE) <= set(names) else set(),
        "space_and_proxies": own | proxies if own and proxies else set(),
        "both": set(names) if structure and proxies else set(),
    }
    return {
        name: [place for place, column in enumerate(names) if column in members]
        for name, members in sets.items()
        if members
    }
