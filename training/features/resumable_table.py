"""A table that grows row by row, so that an interruption costs only what was not yet finished."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from filelock import FileLock

from acorn.errors import InvalidTableError, MismatchError


class ResumableTable:
    """A Parquet file that several processes may add to, under one setting.

    Parameters
    ----------
    path
        The file; it need not be there yet.
    key
        Name of the metadata field that holds the settings.
    settings
        What the rows were made under: rows of other settings are not mixed in.
    """

    def __init__(self, path: Path, *, key: str, settings: Mapping[str, object]) -> None:
        self._path = path
        self._key = key
        self._settings = json.loads(json.dumps(dict(settings)))  # as they are read back

    def read(self) -> pl.DataFrame:
        """Read all rows; a file that is not there has none.

        Raises
        ------
        InvalidTableError
            If the file is of another kind.
        MismatchError
            If its rows were made under other settings.
        """
        if not self._path.exists():
            return pl.DataFrame()
        try:
            found = json.loads(pl.read_parquet_metadata(self._path)[self._key])
            frame = pl.read_parquet(self._path)
        except (KeyError, ValueError, OSError, pl.exceptions.PolarsError) as error:
            raise InvalidTableError(
                f"{self._path} is not a table that this command made: {error!r}"
            ) from error
        differing = [
            f"{name} is {found.get(name)!r}, expected {self._settings.get(name)!r}"
            for name in self._settings | found
            if found.get(name) != self._settings.get(name)
        ]
        if differing:
            raise MismatchError(
                f"{self._path} was made under other settings: " + "; ".join(differing)
            )
        return frame

    def append(self, rows: pl.DataFrame) -> None:
        """Add rows; a reader sees the old file or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Freed by the system if this process dies; the lock file stays.
        with FileLock(self._path.with_name(f".{self._path.name}.lock")):
            old = self.read()
            table = pl.concat([old, rows], how="diagonal") if len(old) else rows
            with tempfile.NamedTemporaryFile(
                dir=self._path.parent, suffix=".tmp", delete=False
            ) as file:
                written = Path(file.name)
            try:  # with the file closed: Windows replaces none that is open
                metadata = {self._key: json.dumps(self._settings)}
                table.write_parquet(written, compression="zstd", metadata=metadata)
                written.replace(self._path)
            except BaseException:
                written.unlink()
                raise
