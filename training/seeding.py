"""A block in which Python's global random generator has a seed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's global generator, from which libraries draw; restore its state at the end.

    Parameters
    ----------
    seed : int
        Seed inside the block.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
