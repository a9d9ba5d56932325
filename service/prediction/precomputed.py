"""What a forest says of the functions of its table, worked out before anybody asks.

A walk down all trees takes a millisecond for one row, and numpy's calls take most of it: the whole
table at once costs a hundredth of that a row. So once somebody has asked for a function of the
table, a thread goes through the others behind the requests; whoever asks for these finds every bit
as a walk of their own would have given it.
"""

import threading
import time
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acorn.forests import Bundle, Prediction

INTERVAL = 0.9
"""Level of the intervals that are worked out; others are rare."""

ROWS_AT_ONCE = 64
REST = 1.0
"""Rest after some rows, by the time that they took: requests need the processor as well."""

Floats = NDArray[np.float64]


class Judged(NamedTuple):
    """What a forest says of some rows.

    Attributes
    ----------
    predicted
        Of each target, arrays of shape (rows,).
    in_domain, score
        As :meth:`acorn.forests.Bundle.outliers` gives them.
    """

    predicted: dict[str, Prediction]
    in_domain: NDArray[np.bool_]
    score: Floats


class Precomputed:
    """Predictions for the rows of a bundle's table, as far as they are worked out.

    For any thread; one of them calls :meth:`work_out`.

    Parameters
    ----------
    bundle
        What predicts.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._columns = {target: i for i, target in enumerate(bundle.targets)}
        self._begun = threading.Lock()

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self._bundle.table.ids)}

    @cached_property
    def _done(self) -> NDArray[np.bool_]:
        return np.zeros(len(self._bundle.table), np.bool_)

    def begin(self) -> bool:
        """Say, once, that it is still to be worked out."""
        return self._begun.acquire(blocking=False)

    def find(self, ids: Sequence[str], targets: Sequence[str], interval: float) -> Judged | None:
        """Look functions up; None unless all of it is there."""
        if interval != INTERVAL or not self._begun.locked():
            return None
        rows = [self._rows.get(id_, -1) for id_ in ids]
        if -1 in rows or not self._done[rows].all():
            return None
        names = {target: self._bundle.target(target) for target in targets}
        predicted = {
            target: Prediction(*self._predicted[:, rows, self._columns[name]])
            for target, name in names.items()
        }
        return Judged(predicted, self._in_domain[rows], self._score[rows])

    def work_out(self, ended: threading.Event) -> None:
        """Work out all rows, unless it is ended before."""
        bundle, n = self._bundle, len(self._bundle.table)
        X, ids = bundle.table.matrix(bundle.feature_names), bundle.table.ids
        self._predicted = np.empty((3, n, len(bundle.targets)))
        self._in_domain, self._score = np.empty(n, np.bool_), np.empty(n)
        for first in range(0, n, ROWS_AT_ONCE):
            start = time.monotonic()
            rows = slice(first, first + ROWS_AT_ONCE)
            for column, each in enumerate(bundle.predict(X[rows], interval=INTERVAL).values()):
                self._predicted[:, rows, column] = each
            for row in range(n)[rows]:
                # One by one: a product of matrices may add in another order than one of a row.
                one = slice(row, row + 1)
                (self._in_domain[row],), (self._score[row],) = bundle.outliers(X[one], ids[one])
            self._done[rows] = True
            if ended.wait(REST * (time.monotonic() - start)):
                return
