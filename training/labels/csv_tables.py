"""Reads CSV tables with any usual separator and decimal mark.

The header decides the separator, and the values of a column its decimal mark. A table with two
possible readings is refused.
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
"""A character that is unlikely in the name of a column."""


def read_csv(path: Path, *, text: Collection[str]) -> pl.DataFrame:
    """Read a CSV table.

    Parameters
    ----------
    path : pathlib.Path
        File in UTF-8, with commas, semicolons or tabs between columns, and double quotes around
        values that contain the separator.
    text : collection of str
        Columns to keep as text: an architecture may consist of digits and begin with zeros.

    Returns
    -------
    polars.DataFrame
        Numbers with decimal commas or surrounding spaces are float64.

    Raises
    ------
    InvalidTableError
        If the file is no such table, or the separator or a decimal mark is ambiguous.
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
    """Find the separator of the header; of several, the one that gives a column ``arch``."""
    headers = {separator: _header(path, separator) for separator in SEPARATORS}
    possible = [separator for separator, names in headers.items() if len(names) > 1]
    if len(possible) > 1:
        with_arch = [mark for mark in possible if "arch" in map(str.strip, headers[mark])]
        possible = with_arch if len(with_arch) == 1 else possible
    if len(possible) == 1:
        return possible[0]
    with path.open(encoding="utf-8-sig") as file:
        line = file.readline(1_000).strip()
    if possible:
        names = " and ".join(SEPARATORS[mark] for mark in possible)
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
    """Split the first line at a separator; an empty file has no columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file, delimiter=separator), [])
    except (csv.Error, UnicodeDecodeError) as error:
        raise InvalidTableError(f"{path} is no Parquet or CSV table: {error}") from None


def _read_numbers(column: pl.Series, path: Path) -> pl.Series:
    """Convert numbers with decimal commas or surrounding spaces; other columns are kept."""
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
