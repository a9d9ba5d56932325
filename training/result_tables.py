"""Result tables, written in the format of the file's suffix."""

import json
from pathlib import Path

import polars as pl

from acorn.errors import InputError

SUFFIXES = (".parquet", ".csv", ".json")


def check_suffix(path: Path) -> None:
    """Raise :class:`~acorn.errors.InputError` for a format that cannot be written."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"got {path.name!r}; expected a name that ends in {', '.join(SUFFIXES)}")


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as Parquet, CSV or a JSON list of rows.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows.
    path : pathlib.Path
        File, whose folder is made if needed; its suffix is one of :data:`SUFFIXES`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(frame.to_dicts(), indent=1) + "\n", "utf-8")
    else:
        frame.write_parquet(path)
