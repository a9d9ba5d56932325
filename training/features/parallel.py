"""Parallel work in processes of this machine, with progress."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import joblib

T = TypeVar("T")
OnProgress = Callable[[int, int], None]
"""Function of (done, total) that shows progress."""


def no_progress(_done: int, _total: int) -> None:
    """Show no progress."""


def compute_in_parallel(
    compute: Callable[..., T], items: Sequence[tuple[Any, ...]], workers: int
) -> Iterable[T]:
    """Compute items in processes of this machine.

    Parameters
    ----------
    compute : callable
        Called with the members of an item.
    items : sequence of tuple
        Arguments of each call.
    workers : int
        Number of processes; -1 is one for each core.

    Returns
    -------
    iterable
        Results in order of completion.
    """
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    results: Iterable[T] = parallel(joblib.delayed(compute)(*item) for item in items)
    return results


def with_progress(results: Iterable[T], total: int, on_progress: OnProgress) -> Iterator[T]:
    """Report progress after each result.

    Parameters
    ----------
    results : iterable
        Results in order of completion.
    total : int
        Number of results.
    on_progress : callable
        Called with (done, total) once a result has been processed.

    Yields
    ------
    object
        The results.
    """
    for done, result in enumerate(results, start=1):
        yield result
        on_progress(done, total)
