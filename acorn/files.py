"""Files that are replaced as a whole, and Parquet tables that carry the settings of their rows."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from acorn.errors import InvalidTableError, MismatchError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file so that a reader sees the old content or the new one, never a part of it.

    Parameters
    ----------
    path : pathlib.Path
        File to write; its folder is made if needed.

    Yields
    ------
    pathlib.Path
        A new file in the same folder. It takes the place of ``path`` at the end of the block, and
        is deleted if the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        new = Path(file.name)
    try:  # with the file closed: Windows cannot replace an open one
        yield new
        new.replace(path)
    except BaseException:
        new.unlink()
        raise


def write_parquet(frame: pl.DataFrame, path: Path, *, key: str, settings: object) -> None:
    """Write a table with the settings of its rows in the metadata, atomically.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows.
    path : pathlib.Path
        Parquet file.
    key : str
        Name of the metadata field.
    settings : object
        Anything that JSON can hold.
    """
    with replacing(path) as new:
        frame.write_parquet(new, compression="zstd", metadata={key: json.dumps(settings)})


def read_parquet(path: Path, *, key: str, kind: str) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read what :func:`write_parquet` wrote.

    Parameters
    ----------
    path : pathlib.Path
        Parquet file.
    key : str
        Name of the metadata field that holds the settings.
    kind : str
        Kind of table, for error messages.

    Returns
    -------
    tuple of (polars.DataFrame, dict)
        Rows and settings.

    Raises
    ------
    InvalidTableError
        If there is no such file, or if it is of another kind.
    """
    try:
        settings: dict[str, Any] = json.loads(pl.read_parquet_metadata(path)[key])
        return pl.read_parquet(path), settings
    except FileNotFoundError:
        raise InvalidTableError(f"no {kind} at {path}") from None
    except (KeyError, TypeError, ValueError, OSError, pl.exceptions.PolarsError) as error:
        raise InvalidTableError(f"{path} is no {kind}: {error!r}") from error


def check_same_settings(expected: Mapping[str, Any], got: Mapping[str, Any], what: str) -> None:
    """Refuse to mix rows that were made under different settings.

    Parameters
    ----------
    expected, got : Mapping
        Settings by name.
    what : str
        Subject of the error message.

    Raises
    ------
    MismatchError
        Lists every setting that differs.
    """
    differing = [
        f"{name} is {got.get(name)!r}, expected {expected.get(name)!r}"
        for name in {**expected, **got}
        if got.get(name) != expected.get(name)
    ]
    if differing:
        raise MismatchError(f"{what} other settings: {'; '.join(differing)}")
