"""Any CSV or Parquet table whose columns only need other names."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from models.errors import InvalidTableError
from models.forests.targets import is_target
from training.labels import read_file


def import_table(source: Path, *, columns: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Read a table and rename its columns to those of a label table.

    Parameters
    ----------
    source
        CSV or Parquet.
    columns
        New name of each column: ``arch`` or ``<dataset>.<target>``. Columns that are not named
        stay if they have such a name already, and are left out else.

    Raises
    ------
    InvalidTableError
        If a column to rename is not there, or there is no ``arch`` or no label in the result.
    """
    table = read_file(source)
    renamed = dict(columns or {})
    missing = sorted(set(renamed) - set(table.columns))
    if missing:
        raise InvalidTableError(f"{source} has no column {', '.join(missing)}")
    names = {name: renamed.get(name, name) for name in table.columns}
    kept = {old: new for old, new in names.items() if new == "arch" or _is_label(new)}
    if "arch" not in kept.values() or len(kept) < 2:
        got = ", ".join(names.values())
        raise InvalidTableError(f"got the columns {got}; expected arch and <dataset>.<target>")
    if len(set(kept.values())) < len(kept):
        raise InvalidTableError(f"{source}: two columns have the same name once renamed")
    return table.select(pl.col(old).alias(new) for old, new in kept.items())


def _is_label(name: str) -> bool:
    return is_target(name.partition(".")[2])
