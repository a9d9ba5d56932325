"""Results on stdout: JSON, a table on a terminal, else tab-separated lines."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table


def print_json(result: object) -> None:
    """Print a result as one line of JSON."""
    print_line(json.dumps(result))


def print_result(result: Mapping[str, object], *, as_json: bool) -> None:
    """Print a result.

    Parameters
    ----------
    result : Mapping
        Values by name.
    as_json : bool
        Whether to print one line of JSON instead of one line for each entry.
    """
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        print_line(name, value if isinstance(value, str | int) else json.dumps(value))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on a terminal, else tab-separated lines.

    Parameters
    ----------
    columns : sequence of str
        Titles.
    rows : iterable of sequence
        Cells of each row.
    """
    if not sys.stdout.isatty():
        for cells in (columns, *rows):
            print_line(*cells)
        return
    table = Table(*columns)
    for cells in rows:
        table.add_row(*(str(cell).replace("[", r"\[") for cell in cells))
    Console().print(table)


def print_line(*cells: object) -> None:
    """Print one line of tab-separated cells."""
    sys.stdout.write("\t".join(map(str, cells)) + "\n")


def number(value: float | None) -> str:
    """Format a number with four significant digits; None is a dash."""
    return "-" if value is None else f"{value:.4g}"
