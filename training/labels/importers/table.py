"""Any CSV or Parquet table whose columns need only new names."""

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
    source : pathlib.Path
        CSV or Parquet file.
    columns : Mapping, optional
        New name of each column: ``arch`` or ``<dataset>.<target>``. Other columns are kept if they
        have such a name, and left out otherwise.
    small : bool, default=False
        Whether to accept targets whose labels are all at most 1; otherwise they are refused as
        fractions.

    Returns
    -------
    polars.DataFrame
        ``arch`` as in the source, and labels, with the canonical names of datasets.

    Raises
    ------
    InvalidTableError
        If a column to rename is missing, if the result has no ``arch`` or no label, or if labels
        are outside the bounds of their target.
    """
    renamed = dict(columns or {})
    archs = {old for old, new in renamed.items() if new == "arch"} or {"arch"}
    table = read_file(source, text=archs)
    missing = sorted(set(renamed) - set(table.columns))
    if missing:
        raise InvalidTableError(f"{source} has no column {', '.join(missing)}")
    labels = []
    for old in table.columns:
        name = renamed.get(old, old)
        dataset, target = split_column(name)
        if name == "arch":
            labels.append(table[old].alias(name))
        elif is_target(target):
            label = read_column(table[old], Target.of(target), source, small=small)
            labels.append(label.alias(f"{dataset}.{target}"))
    names = [label.name for label in labels]
    if "arch" not in names or len(names) < 2:
        got = ", ".join(renamed.get(name, name) for name in table.columns)
        raise InvalidTableError(f"got the columns {got}; expected arch and <dataset>.<target>")
    if len(set(names)) < len(names):
        raise InvalidTableError(f"{source}: two columns have the same name once renamed")
    return pl.DataFrame(labels)
