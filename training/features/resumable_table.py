"""A Parquet table to which long work adds rows as they are ready, so that it can be resumed."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import polars as pl
from filelock import FileLock

from acorn.files import check_same_settings, read_parquet, write_parquet

FLUSH_SECONDS = 10.0
"""Seconds between additions: the most work that a killed process loses."""

Merge = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


class ResumableTable:
    """A Parquet file to which several processes may add rows of the same settings.

    Each addition replaces the file atomically, under a lock that the system releases if its
    process dies.

    Parameters
    ----------
    path : pathlib.Path
        The file; it need not exist.
    key : str
        Name of the metadata field that holds the settings.
    settings : Mapping
        Settings of the rows, by name; rows of other settings are refused.
    merge : callable, optional
        Combines the rows of the file with new ones; by default they are concatenated.
    """

    def __init__(
        self,
        path: Path,
        *,
        key: str,
        settings: Mapping[str, object],
        merge: Merge = lambda old, new: pl.concat([old, new], how="diagonal"),
    ) -> None:
        self._path = path
        self._key = key
        self._settings = json.loads(json.dumps(dict(settings)))  # as they are read back
        self._merge = merge

    def read(self) -> pl.DataFrame:
        """Read all rows.

        Returns
        -------
        polars.DataFrame
            Empty and without columns if there is no file.

        Raises
        ------
        InvalidTableError
            If the file is of another kind.
        MismatchError
            If its rows were made under other settings.
        """
        if not self._path.exists():
            return pl.DataFrame()
        frame, settings = read_parquet(self._path, key=self._key, kind="table of this command")
        check_same_settings(self._settings, settings, f"{self._path} was made under")
        return frame

    def missing(self, archs: Iterable[str]) -> list[str]:
        """Select architectures that have no row.

        Parameters
        ----------
        archs : iterable of str
            Values of the column ``arch``.

        Returns
        -------
        list of str
            Those that the column lacks.

        Raises
        ------
        InvalidTableError, MismatchError
            As :meth:`read` does.
        """
        table = self.read()
        done = set(table["arch"]) if len(table) else set()
        return [arch for arch in archs if arch not in done]

    def append(self, rows: pl.DataFrame) -> None:
        """Add rows to the file.

        Parameters
        ----------
        rows : polars.DataFrame
            New rows.

        Raises
        ------
        InvalidTableError, MismatchError
            As :meth:`read` does.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_name(f".{self._path.name}.lock")):
            old = self.read()
            frame = self._merge(old, rows) if len(old) else rows
            write_parquet(frame, self._path, key=self._key, settings=self._settings)

    def extend(self, parts: Iterable[pl.DataFrame]) -> None:
        """Add rows as they are computed, every :data:`FLUSH_SECONDS` and at the end.

        Rows that were computed before an error or Ctrl-C are added, too.

        Parameters
        ----------
        parts : iterable of polars.DataFrame
            New rows.
        """
        waiting: list[pl.DataFrame] = []
        flushed = time.monotonic()
        try:
            for part in parts:
                waiting.append(part)
                if time.monotonic() - flushed >= FLUSH_SECONDS:
                    self.append(pl.concat(waiting, how="diagonal"))
                    waiting, flushed = [], time.monotonic()
        finally:
            if waiting:
                self.append(pl.concat(waiting, how="diagonal"))
