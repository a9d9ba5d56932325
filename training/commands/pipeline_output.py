"""What the commands of training print on stdout: results."""

import json
import sys
from collections.abc import Mapping


def print_result(result: Mapping[str, object], *, as_json: bool) -> None:
    """Print a result: as JSON, or one line an entry."""
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    for name, value in result.items():
        print_line(name, value if isinstance(value, str | int) else json.dumps(value))


def print_line(*cells: object) -> None:
    """Print cells with tabs between."""
    sys.stdout.write("\t".join(map(str, cells)) + "\n")


def number(value: float | None) -> str:
    """Four significant digits, or a dash for what is missing."""
    return "-" if value is None else f"{value:.4g}"
