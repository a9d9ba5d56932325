"""The single edit of an architecture that improves a prediction most."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from acorn.features.feature_table import FeatureRow
from acorn.forests import Bundle, Prediction
from acorn.forests.bundle import Conditions
from acorn.spaces import SPACES, Architecture, Space

MOST_EDITS = 500
"""Most edits of an architecture that are compared."""


@dataclass(frozen=True, slots=True)
class Change:
    """An edit, and what the bundle predicts for the architecture after it.

    Attributes
    ----------
    id : str
        Id of the canonical form of the architecture after the edit.
    arch : str
        That architecture, as its space writes it.
    change : str
        What changes, in words.
    prediction : Prediction
        Numbers in the unit of the target.
    """

    id: str
    arch: str
    change: str
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Changes:
    """The best edit of an architecture for each target.

    Attributes
    ----------
    neighbours : int or None
        Number of architectures one edit away, without equivalent ones; None if unknown.
    compared : int
        Number of those whose features are known.
    best : dict of str to (Change or None)
        For each target; None if no edit improves the prediction. Empty if none was compared.
    reason : str or None
        Why some were not compared; None if all were.
    """

    neighbours: int | None
    compared: int
    best: dict[str, Change | None]
    reason: str | None = None


def best_changes(
    bundle: Bundle,
    id_: str,
    current: Mapping[str, float],
    conditions: Conditions | None = None,
    *,
    interval: float = 0.9,
) -> Changes:
    """Find the edits of a canonical architecture that improve its predictions most.

    The features of its neighbours come from the bundle's table, or are the columns of the space if
    the bundle reads no others. No network is built, and no proxy is computed.

    Parameters
    ----------
    bundle : Bundle
        Predicts the neighbours.
    id_ : str
        Id of the canonical architecture.
    current : mapping of str to float
        What the bundle predicts for it, by name of the target.
    conditions : mapping of str to int, float or str, optional
        A value for each condition, as :meth:`~acorn.forests.Bundle.resolve` returns them; by
        default the defaults.
    interval : float, default=0.9
        Level of the intervals.

    Returns
    -------
    Changes
    """
    conditions = bundle.resolve() if conditions is None else conditions
    name = id_.partition("/")[0]
    if name not in SPACES or type(SPACES[name]).neighbours is Space.neighbours:
        return Changes(None, 0, {}, f"the space {name} does not list architectures one edit away")
    neighbours = _neighbours(id_)
    if neighbours is None:
        return Changes(None, 0, {}, f"more than {MOST_EDITS} architectures are one edit away")
    rows = [_known_row(bundle, architecture, conditions) for architecture, _ in neighbours]
    known = [row for row in rows if row is not None]
    compared = [each for each, row in zip(neighbours, rows, strict=True) if row is not None]
    reason = None
    if missing := len(neighbours) - len(compared):
        reason = (
            f"{missing} of {len(neighbours)} architectures one edit away are not compared: their "
            "features would have to be computed from their networks"
        )
    best: dict[str, Change | None] = {}
    if compared:
        X = bundle.matrix(known, [conditions] * len(known))
        for target, predicted in bundle.predict(X, targets=[*current], interval=interval).items():
            sign = 1 if bundle.describe(target).higher_is_better else -1
            place = int(np.argmax(sign * predicted.value))
            architecture, change = compared[place]
            best[target] = None
            if sign * predicted.value[place] > sign * current[target]:
                prediction = Prediction(*(part[place] for part in predicted))
                best[target] = Change(architecture.id, architecture.arch, change, prediction)
    return Changes(len(neighbours), len(compared), best, reason)


def _neighbours(id_: str) -> list[tuple[Architecture, str]] | None:
    """List the architectures one edit away, one of each equivalence class, with the edit in words.

    Those that are equivalent to the given one are left out. None for more than :data:`MOST_EDITS`.
    """
    name, _, canonical = id_.partition("/")
    space = SPACES[name]
    listed = [*islice(space.neighbours(canonical), MOST_EDITS + 1)]
    if len(listed) > MOST_EDITS:
        return None
    by_id: dict[str, tuple[Architecture, str]] = {}
    for neighbour in listed:
        architecture = space.parse(neighbour.arch)
        if architecture.id != id_:
            by_id.setdefault(architecture.id, (architecture, neighbour.change))
    return [*by_id.values()]


def _known_row(
    bundle: Bundle, architecture: Architecture, conditions: Conditions
) -> FeatureRow | None:
    """Find the features of an architecture without its network; None if that is not possible."""
    row = bundle.table.row(bundle.row_id(architecture.id, conditions))
    if row is None:
        columns = SPACES[architecture.space].columns(architecture.canonical)
        row = FeatureRow(architecture.id, columns)
    is_known = row.values.keys() >= {*bundle.network_features}
    return row if is_known and row.has_proxies(bundle.network_features) else None
