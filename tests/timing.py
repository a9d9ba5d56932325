"""How long a call takes, whatever else the machine does."""

import time
from collections.abc import Callable


def quickest(call: Callable[[], object], times: int = 5) -> float:
    """Processor seconds of the quickest of some calls.

    A single call may meet a collection of garbage, cold caches or a busy machine.
    """
    spent = []
    for _ in range(times):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return min(spent)
