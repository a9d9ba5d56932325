"""The label table of a search: every label is written as it arrives."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from acorn.errors import InputError
from acorn.files import replacing
from acorn.spaces import Space
from acorn.targets import Target
from training.labels.reading import read_column, read_file
from training.result_tables import write_table


class LabelsFile:
    """A label table that grows by one row at a time.

    Parameters
    ----------
    path : pathlib.Path
        Parquet or CSV file, which need not be there.
    space : Space
        Space of the architectures.
    dataset : str
        Prefix of the columns.
    objectives : sequence of str
        Targets. A row without the label of one is a failure.

    Raises
    ------
    InputError
        If the name of the file ends otherwise, its columns are others, or a label is not one of
        its target.
    """

    def __init__(self, path: Path, space: Space, dataset: str, objectives: Sequence[str]) -> None:
        if path.suffix not in (".csv", ".parquet"):
            raise InputError(f"got labels {path.name!r}; expected a name in .csv or .parquet")
        self._path = path
        self._space = space
        self._columns = {name: f"{dataset}.{name}" for name in objectives}
        schema = {"arch": pl.String, **dict.fromkeys(self._columns.values(), pl.Float64)}
        self._frame = pl.DataFrame(schema=schema)
        if path.exists():
            frame = read_file(path)
            absent = [name for name in schema if name not in frame.columns]
            if absent:
                raise InputError(f"got labels {path} without {absent[0]}; expected it")
            self._frame = frame.with_columns(
                pl.col("arch").cast(pl.String),
                *(
                    read_column(frame[column], Target.of(name), path, small=True)
                    for name, column in self._columns.items()
                ),
            )

    def read(self) -> dict[str, dict[str, float] | None]:
        """Return the labels by canonical form; None is a failure."""
        labels: dict[str, dict[str, float] | None] = {}
        for row in self._frame.to_dicts():
            values = {name: row[column] for name, column in self._columns.items()}
            complete = all(value is not None for value in values.values())
            labels[self._space.parse(row["arch"]).canonical] = values if complete else None
        return labels

    def add(self, arch: str, values: Mapping[str, float] | None) -> None:
        """Append a row and replace the file, so that an interruption loses no label.

        Parameters
        ----------
        arch : str
            Canonical form.
        values : mapping of str to float, or None
            Value of each objective; None is a failure, a row of nulls.
        """
        labels = {column: (values or {}).get(name) for name, column in self._columns.items()}
        row = pl.DataFrame([{"arch": arch, **labels}], schema_overrides=self._frame.schema)
        self._frame = pl.concat([self._frame, row], how="diagonal")
        with replacing(self._path) as new:
            write_table(self._frame, new, suffix=self._path.suffix)
