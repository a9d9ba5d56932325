"""Which networks took worker processes down, and are not to be tried again for a while."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_STRIKES = 2
EXPIRY_SECONDS = 3_600.0
CAPACITY = 10_000


@dataclass(slots=True)
class _Record:
    strikes: int
    reason: str
    time: float


class Quarantine:
    """Counts the workers that each key has cost; bounded, and forgets after an hour.

    A worker may die for reasons of its own (out of memory, an operator), so one loss proves
    nothing: a key is held from the second on.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def __len__(self) -> int:
        """Keys that are held."""
        return sum(self.reason(key) is not None for key in [*self._records])

    def strike(self, key: str, reason: str) -> bool:
        """Note that ``key`` cost a worker; returns whether it is held from now on."""
        record = self._fresh(key) or _Record(0, reason, 0.0)
        record.strikes += 1
        record.reason = reason
        record.time = self._clock()
        self._records[key] = record
        self._records.move_to_end(key)
        while len(self._records) > CAPACITY:
            self._records.popitem(last=False)
        return record.strikes >= MAX_STRIKES

    def reason(self, key: str) -> str | None:
        """Why ``key`` is held; None where it is not."""
        record = self._fresh(key)
        return record.reason if record is not None and record.strikes >= MAX_STRIKES else None

    def clear(self, key: str) -> None:
        """Forget ``key``, which has been computed after all."""
        self._records.pop(key, None)

    def _fresh(self, key: str) -> _Record | None:
        record = self._records.get(key)
        if record is not None and self._clock() - record.time > EXPIRY_SECONDS:
            del self._records[key]
            return None
        return record
