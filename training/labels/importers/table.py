"""Any CSV or Parquet table whose columns only need other names."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from acorn.errors import InvalidTableError
from acorn.targets import Target, is_target
from training.labels.reading import read_column, read_file, split_column


def import_table(
    source: Path, *, columns: Mapping[str, str] | None = None, small: bool = False
) -> pl.DataFrame:
    """Read a table and rename its columns to those of a label table.

    Parameters
    ----------
    source
        CSV or Parquet.
    columns
        New name of each column: ``arch`` or ``<dataset>.<target>``. Columns that are not named
        stay if they have such a name already, and are left out else.
    small
        Accept targets of which all labels are at most 1; else they are taken for fractions.

    Returns
    -------
    polars.DataFrame
        ``arch`` as it stands in the table, and labels, each dataset in its own spelling.

    Raises
    ------
    InvalidTableError
        If a column to rename is not there, there is no ``arch`` or no label in the result, or
        labels are not within the bounds of their target.
    """
    renamed = dict(columns or {})
    archs = {old for old, new in renamed.items() if new == "arch"} or {"arch"}
    table = read_file(source, text=archs)
    missing = sorted(set(renamed) - set(table.columns))
    if missing:
        raise InvalidTableError(f"{source} has no column {', '.join(missing)}")
    names = {name: _own_spelling(renamed.get(name, name)) for name in table.columns}
    kept = {old: new for old, new in names.items() if new == "arch" or _is_label(new)}
    if "arch" not in kept.values() or len(kept) < 2:
        got = ", ".join(names.values())
        raise InvalidTableError(f"got the columns {got}; expected arch and <dataset>.<target>")
    if len(set(kept.values())) < len(kept):
        raise InvalidTableError(f"{source}: two columns have the same name once renamed")
    return table.select(
        table[old].alias(new)
        if new == "arch"
        else read_column(table[old], Target.of(_target(new)), source, small=small).alias(new)
        for old, new in kept.items()
    )


def _own_spelling(name: str) -> str:
    """Spell the dataset of a label column as it is registered."""
    return ".".join(split_column(name)) if _is_label(name) else name


def _is_label(name: str) -> bool:
    return is_target(_target(name))


def _target(name: str) -> str:
    return name.partition(".")[2]
