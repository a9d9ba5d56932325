"""A table that grows row by row, so that an interruption costs only what was not yet finished."""

import fcntl
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from models.errors import InvalidTableError, MismatchError


class Ledger:
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
        with self._locked():
            old = self.read()
            table = pl.concat([old, rows], how="diagonal") if len(old) else rows
            with tempfile.NamedTemporaryFile(
                dir=self._path.parent, suffix=".tmp", delete=False
            ) as file:
                try:
                    metadata = {self._key: json.dumps(self._settings)}
                    table.write_parquet(file.name, compression="zstd", metadata=metadata)
                    Path(file.name).replace(self._path)
                except BaseException:
                    Path(file.name).unlink()
                    raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others from adding at the same time."""
        with self._path.with_name(f".{self._path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
