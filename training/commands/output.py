"""What commands print on stdout: results."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table


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
