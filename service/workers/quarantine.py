"""The quarantine: networks that ended worker processes are not tried again for a while."""

import time
from collections.abc import Callable

from cachetools import TTLCache

MAX_STRIKES = 2
EXPIRY_SECONDS = 3_600.0
CAPACITY = 10_000


class Quarantine:
    """Counts the workers that each key has ended; bounded, and forgets after an hour.

    A worker may end for another reason, such as an operator who kills it. Therefore a key is held
    only after its second worker.

    Parameters
    ----------
    clock : callable, default=time.monotonic
        Returns the present time in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._strikes: TTLCache[str, tuple[int, str]] = TTLCache(CAPACITY, EXPIRY_SECONDS, clock)

    def __len__(self) -> int:
        """Count the keys that are held."""
        return sum(self.reason(key) is not None for key in [*self._strikes])

    def strike(self, key: str, reason: str) -> bool:
        """Note that ``key`` ended a worker; returns whether it is held from now on."""
        strikes = self._strikes.get(key, (0, ""))[0] + 1
        self._strikes[key] = strikes, reason
        return strikes >= MAX_STRIKES

    def reason(self, key: str) -> str | None:
        """Tell why ``key`` is held; None if it is not."""
        strikes, reason = self._strikes.get(key, (0, ""))
        return reason if strikes >= MAX_STRIKES else None

    def clear(self, key: str) -> None:
        """Forget ``key``, which has been computed after all."""
        self._strikes.pop(key, None)
