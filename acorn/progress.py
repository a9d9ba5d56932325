"""Progress of long work on stderr: a bar on a terminal, else a plain line every ten seconds."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 10.0


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress.

    Parameters
    ----------
    what : str
        What is counted.

    Yields
    ------
    callable
        Function to call with (done, total) after each result.
    """
    if sys.stderr.isatty():
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    last = time.monotonic()

    def write_line(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > PLAIN_SECONDS:
            last = time.monotonic()
            sys.stderr.write(f"{what}: {done} of {total}\n")

    yield write_line
