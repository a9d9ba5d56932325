"""Rate limits: how many requests a sender may make in a period."""

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a sender has left of its limit.

    Attributes
    ----------
    is_over : bool
        Whether this request exceeds the limit.
    limit, remaining : int
        Requests in the period of the tightest rate, and how many of them are left.
    window, reset : int
        Seconds of the period, and until a request is possible again.
    """

    is_over: bool
    limit: int
    remaining: int
    window: int
    reset: int

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """``RateLimit`` header fields of the IETF draft, for the tightest rate."""
        return [
            (b"ratelimit-policy", f'"default";q={self.limit};w={self.window}'.encode()),
            (b"ratelimit", f'"default";r={self.remaining};t={self.reset}'.encode()),
        ]


class RateLimiter:
    """Counts the requests of each sender in memory; each replica of the server counts its own.

    Parameters
    ----------
    rates : str
        Such as ``100/second;5000/hour``; all of them apply.
    """

    def __init__(self, rates: str) -> None:
        self._rates = parse_many(rates)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def take(self, sender: str) -> Allowance:
        """Count a request of a sender, unless it exceeds the limit."""
        is_over = not all(self._limiter.test(rate, sender) for rate in self._rates)
        if not is_over:
            for rate in self._rates:
                self._limiter.hit(rate, sender)
        left = [self._left(rate, sender) for rate in self._rates]
        tightest = min(left, key=lambda state: (state[1], -state[3]))
        return Allowance(is_over, *tightest)

    def _left(self, rate: RateLimitItem, sender: str) -> tuple[int, int, int, int]:
        reset, remaining = self._limiter.get_window_stats(rate, sender)
        seconds = max(1, math.ceil(reset - time.time()))
        return rate.amount, max(0, remaining), rate.get_expiry(), seconds
