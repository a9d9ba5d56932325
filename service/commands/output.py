"""What commands print: results on stdout, all else on stderr."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

PLAIN_SECONDS = 10.0


def print_line(text: str) -> None:
    """Print a line of results."""
    sys.stdout.write(f"{text}\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table for people on a terminal, and tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        for cells in (columns, *rows):
            print_line("\t".join(cells))
        return
    table = Table(*columns)
    for cells in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    Console().print(table)


class FeatureProgress:
    """Progress on stderr: a bar on a terminal, now and then a plain line elsewhere."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        """Do nothing yet: what is known needs no progress."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` networks are done."""
        if sys.stderr.isatty():
            self._draw(done, total)
        elif time.monotonic() - self._last > PLAIN_SECONDS:
            self._last = time.monotonic()
            sys.stderr.write(f"features of {done} of {total} networks are computed\n")

    def _draw(self, done: int, total: int) -> None:
        if self._bar is None or self._task is None:
            columns = (TextColumn("features"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(
                *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
            )
            self._task = self._bar.add_task("features", total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done)
