"""CSV tables of any usual dialect: which separator, and which decimal mark.

The separator is the one that the header has; the decimal mark is decided for each column by its own
values. Whatever has two readings is refused.
"""

import csv
import re
from collections.abc import Collection
from pathlib import Path

import polars as pl

from acorn.errors import InvalidTableError, abbreviate

SUFFIXES = (".csv", ".tsv")

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}

_NUMBER = r"^\s*[+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?\s*$"
_BETWEEN = re.compile(r"[^\w.\-/\"']")
"""What hardly stands inside the name of a column."""


def read_csv(path: Path, *, text: Collection[str]) -> pl.DataFrame:
    """Read a CSV table.

    Parameters
    ----------
    path
        File in UTF-8: commas, semicolons or tabs between columns, double quotes around values that
        contain the separator.
    text
        Columns to leave as they are: an architecture may be all digits, with zeros in front.

    Returns
    -------
    polars.DataFrame
        Columns whose numbers have decimal commas, or spaces around them, are float64.

    Raises
    ------
    InvalidTableError
        If the file is no such table, or the separator or a decimal mark is in doubt; says what was
        seen.
    """
    separator = _find_separator(path)
    header = _header(path, separator)
    names = [name.strip() for name in header]
    repeated = next((name for name in names if name and names.count(name) > 1), None)
    if repeated is not None:
        raise InvalidTableError(f"{path}: got column {repeated!r} twice; expected it once")
    try:
        table = pl.read_csv(
            path,
            separator=separator,
            infer_schema_length=None,
            schema_overrides={name: pl.String for name in header if name.strip() in text},
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        if "more fields" in reason:
            reason = (
                f"got a row of more fields than the header, which has a {SEPARATORS[separator]} "
                "between columns; expected quotes around values that contain one"
            )
        raise InvalidTableError(f"{path} is no Parquet or CSV table: {reason}") from error
    table = table.rename(str.strip)
    return table.with_columns(
        _read_numbers(table[name], path)
        for name, dtype in table.schema.items()
        if dtype == pl.String and name not in text
    )


def _find_separator(path: Path) -> str:
    """Find the separator that the header has; one that leaves a column ``arch`` settles doubt."""
    headers = {separator: _header(path, separator) for separator in SEPARATORS}
    seen = [separator for separator, names in headers.items() if len(names) > 1]
    if len(seen) > 1:
        settled = [each for each in seen if "arch" in map(str.strip, headers[each])]
        seen = settled if len(settled) == 1 else seen
    if len(seen) == 1:
        return seen[0]
    line = _first_line(path)
    if seen:
        names = " and ".join(SEPARATORS[each] for each in seen)
        raise InvalidTableError(
            f"{path}: got {names} in the header {abbreviate(line)}; expected one of them"
        )
    if (other := _BETWEEN.search(line)) is not None:
        raise InvalidTableError(
            f"{path}: got {other[0]!r} in the header {abbreviate(line)}; "
            f"expected {', '.join(SEPARATORS.values())} between columns"
        )
    return ","


def _header(path: Path, separator: str) -> list[str]:
    """Names of the columns if they are separated in this way; empty for an empty file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file, delimiter=separator), [])
    except (csv.Error, UnicodeDecodeError) as error:
        raise InvalidTableError(f"{path} is no Parquet or CSV table: {error}") from None


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as file:
        return file.readline(1_000).strip()


def _read_numbers(column: pl.Series, path: Path) -> pl.Series:
    """Read numbers with decimal commas or spaces around them; other columns stay as they are."""
    values = column.drop_nulls()
    if not len(values) or not values.str.contains(_NUMBER).all():
        return column
    commas = values.str.contains(",", literal=True)
    points = values.str.contains(".", literal=True)
    if commas.any() and points.any():
        got = f"{values.filter(commas)[0]!r} and {values.filter(points)[0]!r}"
        raise InvalidTableError(
            f"{path}: got {got} in column {column.name!r}; expected one decimal mark"
        )
    return column.str.strip_chars().str.replace(",", ".", literal=True).cast(pl.Float64)
