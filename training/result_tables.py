"""Result tables, written in the format of the file's suffix."""

import json
from pathlib import Path

import polars as pl

from acorn.errors import InputError

SUFFIXES = (".parquet", ".csv", ".json")


def check_suffix(path: Path) -> None:
    """Refuse a format that cannot be written.

    Parameters
    ----------
    path : pathlib.Path
        File to write.

    Raises
    ------
    InputError
        If its suffix is not one of :data:`SUFFIXES`.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"got {path.name!r}; expected a name that ends in {', '.join(SUFFIXES)}")


def write_text(text: str, path: Path) -> None:
    """Write a text file in UTF-8; its folder is made if needed.

    Parameters
    ----------
    text : str
        Content.
    path : pathlib.Path
        File to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def write_table(frame: pl.DataFrame, path: Path, *, suffix: str | None = None) -> None:
    """Write a table as Parquet, CSV or a JSON list of rows.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows.
    path : pathlib.Path
        File to write, in the format of its suffix: CSV, JSON, else Parquet. Its folder is made if
        needed.
    suffix : str, optional
        Decides the format in place of that of ``path``.
    """
    suffix = path.suffix if suffix is None else suffix
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".csv":
        frame.write_csv(path)
    elif suffix == ".json":
        write_text(json.dumps(frame.to_dicts(), indent=1) + "\n", path)
    else:
        frame.write_parquet(path)
