"""How many requests a sender may make in a time."""

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a sender may still do.

    Attributes
    ----------
    is_over
        Whether this request is one too many.
    limit, remaining
        Requests in the window of the tightest rate, and how many of them are left.
    window, reset
        Seconds of the window, and until there is room for more.
    """

    is_over: bool
    limit: int
    remaining: int
    window: int
    reset: int

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """``RateLimit`` fields of the IETF's draft, for the tightest rate."""
        return [
            (b"ratelimit-policy", f'"default";q={self.limit};w={self.window}'.encode()),
            (b"ratelimit", f'"default";r={self.remaining};t={self.reset}'.encode()),
        ]


class RateLimiter:
    """Counts requests by sender, in memory; each replica of the server counts for itself.

    Parameters
    ----------
    rates
        Such as ``100/second;5000/hour``; all of them hold.
    """

    def __init__(self, rates: str) -> None:
        self._rates = parse_many(rates)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def take(self, sender: str) -> Allowance:
        """Count a request of a sender; one that is too many is not counted."""
        is_over = not all(self._limiter.test(rate, sender) for rate in self._rates)
        if not is_over:
            for rate in self._rates:
                self._limiter.hit(rate, sender)
        left = [self._left(rate, sender) for rate in self._rates]
        tightest = min(left, key=lambda each: (each[1], -each[3]))
        return Allowance(is_over, *tightest)

    def _left(self, rate: RateLimitItem, sender: str) -> tuple[int, int, int, int]:
        reset, remaining = self._limiter.get_window_stats(rate, sender)
        seconds = max(1, math.ceil(reset - time.time()))
        return rate.amount, max(0, remaining), rate.get_expiry(), seconds
