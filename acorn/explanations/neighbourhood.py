"""The architectures of a bundle's table that its trees treat most like a given one."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from acorn.conditions import IMAGE_SIZE
from acorn.datasets import get_dataset
from acorn.features.feature_table import split_row_id
from acorn.forests import Bundle, Prediction
from acorn.forests.bundle import Conditions
from acorn.forests.nearest import NearestRows

MOST = 3
"""Architectures that are found for each."""

_CONDITIONS_KEPT = 2  # whose leaves are kept, megabytes each

Rows = Float32[NDArray[np.float32], "n features"]


@dataclass(frozen=True, slots=True)
class NearestArchitecture:
    """A similar architecture, and what the bundle predicts for it.

    Attributes
    ----------
    id : str
        Id of the canonical architecture.
    conditions : mapping of str to int, float or str
        Those of the given architecture, at the image size of the table's row.
    distance : float
        As :class:`~acorn.forests.nearest.NearestRows` defines it, from 0 (alike) to 1.
    is_labelled : bool
        Whether the bundle was trained on its labels.
    predicted : dict of str to Prediction
        For each target, numbers in its unit. A bundle has no labels to compare them with.
    """

    id: str
    conditions: Conditions
    distance: float
    is_labelled: bool
    predicted: dict[str, Prediction]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Rows of the table that may be found, under some conditions."""

    ids: list[str]
    conditions: list[Conditions]
    are_labelled: bool
    X: Rows
    rows: NearestRows


class Neighbourhood:
    """Finds similar architectures among those of a bundle's table. Thread-safe.

    These are the ones that the bundle was trained on. A bundle without labels has none, so that
    all of its table are searched.

    Parameters
    ----------
    bundle : Bundle
        The bundle.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._lock = threading.Lock()
        self._candidates = lru_cache(_CONDITIONS_KEPT)(self._find_candidates)

    def nearest(
        self,
        X: Rows,
        ids: Sequence[str],
        conditions: Sequence[Conditions] | None = None,
        *,
        targets: Sequence[str] | None = None,
        interval: float = 0.9,
    ) -> list[list[NearestArchitecture]]:
        """Find the nearest architectures, never the given one itself.

        Parameters
        ----------
        X : ndarray of float32 of shape (n, len(bundle.feature_names))
            Features; NaN is missing.
        ids : sequence of str
            Ids of the n canonical architectures.
        conditions : sequence of mapping, optional
            Conditions of each, as :meth:`~acorn.forests.Bundle.resolve` returns them; by default
            the defaults.
        targets : sequence of str, optional
            Names of targets, whose trees decide; by default all.
        interval : float, default=0.9
            Level of the intervals.

        Returns
        -------
        list of list of NearestArchitecture
            For each architecture at most :data:`MOST`, the nearest first.

        Raises
        ------
        UnknownTargetError
            If the bundle has no such target.
        """
        bundle = self._bundle
        targets = bundle.targets if targets is None else targets
        numbers = sorted({bundle.targets.index(bundle.target(name)) for name in targets})
        conditions = [bundle.resolve()] * len(X) if conditions is None else conditions
        found: list[tuple[_Candidates, list[int], list[float]]] = []
        for x, id_, given in zip(X, ids, conditions, strict=True):
            others = {name: value for name, value in given.items() if name != IMAGE_SIZE}
            with self._lock:  # slow the first time: once is enough
                candidates = self._candidates(tuple(sorted(others.items())))
            rows, distances = _nearest(candidates, x[None], id_, numbers)
            found.append((candidates, rows, distances))
        values = [candidates.X[rows] for candidates, rows, _ in found]
        predictions = bundle.predict(
            np.concatenate([X[:0], *values]), targets=targets, interval=interval
        )
        position = 0
        architectures = []
        for candidates, rows, distances in found:
            nearest = []
            for row, distance in zip(rows, distances, strict=True):
                predicted = {
                    name: Prediction(*(part[position] for part in prediction))
                    for name, prediction in predictions.items()
                }
                id_, given = candidates.ids[row], candidates.conditions[row]
                nearest.append(
                    NearestArchitecture(id_, given, distance, candidates.are_labelled, predicted)
                )
                position += 1
            architectures.append(nearest)
        return architectures

    def _find_candidates(self, others: tuple[tuple[str, int | float | str], ...]) -> _Candidates:
        """Collect rows under conditions other than the image size, which each row has."""
        bundle = self._bundle
        size_condition = next((c for c in bundle.conditions if c.name == IMAGE_SIZE), None)
        usual = get_dataset(bundle.dataset).height
        rows: list[tuple[str, str, Conditions]] = []
        for row_id in bundle.table.ids:
            id_, size = split_row_id(row_id) if size_condition else (row_id, None)
            given = dict(others)
            if size_condition is not None:
                given[IMAGE_SIZE] = size or usual
                if not size_condition.accepts(given[IMAGE_SIZE]):
                    continue
            rows.append((row_id, id_, given))
        is_labelled = bundle.training_set.contains([id_ for _, id_, _ in rows])
        are_labelled = bool(is_labelled.any())
        if are_labelled:
            rows = [row for row, labelled in zip(rows, is_labelled, strict=True) if labelled]
        ids, conditions = [id_ for _, id_, _ in rows], [given for _, _, given in rows]
        X = bundle.table_matrix([row_id for row_id, _, _ in rows], conditions)
        return _Candidates(ids, conditions, are_labelled, X, NearestRows(bundle.ensemble, X))


def _nearest(
    candidates: _Candidates, x: Rows, id_: str, targets: Sequence[int]
) -> tuple[list[int], list[float]]:
    """Rows of the nearest candidates, one for each other architecture, and their distances."""
    if not candidates.ids:
        return [], []
    distances = candidates.rows.distances(x, targets)
    rows: dict[str, int] = {}
    for row in distances.argsort(kind="stable").tolist():
        if (other := candidates.ids[row]) != id_:
            rows.setdefault(other, row)  # of several image sizes, the nearest one
        if len(rows) == MOST:
            break
    return [*rows.values()], distances[[*rows.values()]].tolist()
