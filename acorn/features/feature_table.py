"""Tables of the features of many architectures under one setting."""

import json
import math
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from acorn.datasets import get_dataset
from acorn.errors import InvalidTableError
from acorn.features.proxy_settings import ProxySettings
from acorn.files import check_same_settings, read_parquet, write_parquet
from acorn.spaces.base import Cost

NETWORK = "network"
"""Stands for the space in the ids of networks that are in no space."""

SETTINGS_KEY = "acorn.settings"
_KEYS = ("id", "arch", "reasons")
_ERRORS = "errors"
_NOT_FEATURES = (*_KEYS, _ERRORS)
_AT_SIZE = re.compile(r"(?P<id>.*[^@])@(?P<size>[1-9][0-9]{0,4})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """Features of one architecture.

    Attributes
    ----------
    id : str
        As :func:`row_id` makes it.
    values : mapping
        Value of each feature; None if it could not be computed.
    reasons : dict
        Why, for each None.
    seconds : float, default=0.0
        Wall-clock seconds of the computation.
    errors : dict
        Standard error of each value that is a mean over draws.
    """

    id: str
    values: Mapping[str, float | None]
    reasons: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def cost(self) -> Cost | None:
        """Size of the network by its structure features; None if the row lacks them."""
        logs = [self.values.get(f"graph.log_{quantity}") for quantity in ("params", "flops")]
        params, flops = (None if log is None else round(math.expm1(log)) / 1e6 for log in logs)
        return None if params is None or flops is None else Cost(params, flops)

    def has_proxies(self, names: Iterable[str]) -> bool:
        """Whether each proxy was computed, perhaps to null with a reason.

        A table may have proxies of some of its architectures only; the others have nulls.

        Parameters
        ----------
        names : iterable of str
            Features; those that are no proxies are not looked at.

        Returns
        -------
        bool
        """
        return all(
            "." in name or self.values.get(name) is not None or name in self.reasons
            for name in names
        )

    def merged(self, older: "FeatureRow") -> "FeatureRow":
        """Add the features of an older row of the same architecture and settings.

        Parameters
        ----------
        older : FeatureRow
            Its values are used where this row has none of the name.

        Returns
        -------
        FeatureRow
        """
        values = {**older.values, **self.values}
        reasons, errors = dict(older.reasons), dict(older.errors)
        for name in self.values:
            reasons.pop(name, None)
            errors.pop(name, None)
        return FeatureRow(
            self.id, values, reasons | self.reasons, self.seconds, errors | self.errors
        )


def row_id(id_: str, dataset: str, image_size: int | None = None) -> str:
    """Make the key of a row of features from what the features depend on.

    Parameters
    ----------
    id_ : str
        :attr:`acorn.spaces.base.Architecture.id`.
    dataset : str
        Name of the dataset.
    image_size : int, optional
        Height and width of the images, pixels; by default that of the dataset.

    Returns
    -------
    str
        The id, with ``@<image_size>`` after it for images of another size than the dataset's.
    """
    if image_size is None or image_size == get_dataset(dataset).height:
        return id_
    return f"{id_}@{image_size}"


def split_row_id(key: str) -> tuple[str, int | None]:
    """Split what :func:`row_id` made.

    Parameters
    ----------
    key : str
        Key of a row; a canonical form without its space is split, too.

    Returns
    -------
    id : str
        Without the image size.
    image_size : int or None
        None for that of the dataset.
    """
    match = _AT_SIZE.fullmatch(key)
    return (match["id"], int(match["size"])) if match else (key, None)


class FeatureTable:
    """One row for each canonical architecture and image size, and one column for each feature.

    Rows are sorted by id, which :func:`row_id` makes.

    On disk it is a Parquet file with string columns ``id``, ``arch`` (the id without space) and
    ``reasons`` (JSON: why values are null), a float64 column for each feature, and the settings
    in the file's metadata. Tables of engine 2 and later have a nullable string column ``errors``
    (JSON: standard errors of values that are means over draws).

    Parameters
    ----------
    frame : polars.DataFrame
        The columns named above, in any order.
    settings : ProxySettings
        Settings under which the proxies were computed.

    Attributes
    ----------
    frame : polars.DataFrame
        The columns in order, with the rows sorted by id.
    settings : ProxySettings
        As given.

    Raises
    ------
    InvalidTableError
        If a column is missing.
    """

    def __init__(self, frame: pl.DataFrame, settings: ProxySettings) -> None:
        missing = [name for name in _KEYS if name not in frame.columns]
        if missing:
            raise InvalidTableError(
                f"a feature table needs {', '.join(_KEYS)}; missing {', '.join(missing)}"
            )
        features = [name for name in frame.columns if name not in _NOT_FEATURES]
        errors = pl.col(_ERRORS) if _ERRORS in frame.columns else pl.lit(None).alias(_ERRORS)
        self.frame = frame.select(
            pl.col("id", "arch").cast(pl.String),
            pl.col(features).cast(pl.Float64),
            pl.col("reasons").cast(pl.String),
            errors.cast(pl.String),
        ).sort("id")
        self.settings = settings

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def feature_names(self) -> list[str]:
        """Names of the feature columns, in order."""
        return [name for name in self._columns if name not in _NOT_FEATURES]

    @property
    def ids(self) -> list[str]:
        """Ids of the architectures, in order."""
        return self.frame["id"].to_list()

    @cached_property
    def _columns(self) -> list[str]:
        return self.frame.columns  # polars builds a new list at each call

    @cached_property
    def _index(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self.ids)}

    def __contains__(self, id_: object) -> bool:
        return id_ in self._index

    def row(self, id_: str) -> FeatureRow | None:
        """Features of one architecture.

        Parameters
        ----------
        id_ : str
            Id of the architecture.

        Returns
        -------
        FeatureRow or None
            None if the table has no such row.
        """
        position = self._index.get(id_)
        if position is None:
            return None
        values = dict(zip(self._columns, self.frame.row(position), strict=True))
        features = {name: values[name] for name in self.feature_names}
        return FeatureRow(id_, features, json.loads(values["reasons"]), errors=_errors(values))

    def image_sizes(self, id_: str) -> list[int]:
        """Find the image sizes at which the table has an architecture.

        Parameters
        ----------
        id_ : str
            Id of the architecture, without an image size.

        Returns
        -------
        list of int
            Height and width in pixels, ascending.
        """
        usual = get_dataset(self.settings.dataset).height
        split = map(split_row_id, self.ids)
        return sorted(size or usual for known, size in split if known == id_)

    def matrix(self, names: Sequence[str], ids: Iterable[str] | None = None) -> np.ndarray:
        """Features as an array.

        Parameters
        ----------
        names : sequence of str
            Features, in the order of the columns.
        ids : iterable of str, optional
            Architectures, in the order of the rows; by default all.

        Returns
        -------
        numpy.ndarray
            Float32, shape (ids, names); NaN stands for null.

        Raises
        ------
        InvalidTableError
            For a feature or an id that the table does not have.
        """
        absent = [name for name in names if name not in self.frame.columns]
        if absent:
            raise InvalidTableError(
                f"the feature table lacks {len(absent)} of {len(names)} columns, "
                f"{', '.join(absent[:5])} among them"
            )
        frame = self.frame
        if ids is not None:
            try:
                frame = frame[[self._index[id_] for id_ in ids]]
            except KeyError as error:
                raise InvalidTableError(f"the feature table has no row for {error}") from None
        columns = [frame[name].cast(pl.Float32).to_numpy() for name in names]
        return np.column_stack(columns) if columns else np.empty((len(frame), 0), np.float32)

    def select(self, names: Sequence[str]) -> Self:
        """Keep some of the features.

        Parameters
        ----------
        names : sequence of str
            Features of the table.

        Returns
        -------
        FeatureTable
            All rows, with these features.
        """
        return type(self)(self.frame.select(*_KEYS, _ERRORS, *names), self.settings)

    def joined(self, other: Self) -> Self:
        """Combine the rows and columns of two tables.

        Parameters
        ----------
        other : FeatureTable
            Its values win if both tables have one.

        Returns
        -------
        FeatureTable

        Raises
        ------
        MismatchError
            If the tables were computed under different settings.
        """
        check_settings(self.settings, other.settings)
        in_both = pl.col("id").is_in(list(self._index.keys() & other._index.keys()))
        new_rows = {row["id"]: row for row in other.frame.filter(in_both).iter_rows(named=True)}
        merged = [
            _merged(old, new_rows[old["id"]])
            for old in self.frame.filter(in_both).iter_rows(named=True)
        ]
        frames = [self.frame.filter(~in_both), other.frame.filter(~in_both), _frame(merged)]
        return type(self)(pl.concat(frames, how="diagonal"), self.settings)

    @classmethod
    def from_rows(cls, rows: Iterable[FeatureRow], settings: ProxySettings) -> Self:
        """Collect computed rows.

        Parameters
        ----------
        rows : iterable of FeatureRow
            Rows whose ids are ``<space>/<canonical form>``.
        settings : ProxySettings
            Settings under which they were computed.

        Returns
        -------
        FeatureTable
        """
        records = (
            {
                "id": row.id,
                "arch": row.id.partition("/")[2],
                **row.values,
                "reasons": json.dumps(row.reasons),
                _ERRORS: _json(row.errors),
            }
            for row in rows
        )
        return cls(_frame(records), settings)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a table.

        Parameters
        ----------
        path : pathlib.Path
            Parquet file.

        Returns
        -------
        FeatureTable

        Raises
        ------
        InvalidTableError
            If there is no such file, or if it is no feature table.
        """
        frame, settings = read_parquet(path, key=SETTINGS_KEY, kind="feature table")
        try:
            return cls(frame, ProxySettings(**settings))
        except TypeError as error:
            raise InvalidTableError(f"{path} is no feature table: {error!r}") from error

    def write(self, path: Path) -> None:
        """Write the table atomically: a reader sees the old file or the new one.

        Parameters
        ----------
        path : pathlib.Path
            Parquet file.
        """
        write_parquet(self.frame, path, key=SETTINGS_KEY, settings=asdict(self.settings))

    def to_bytes(self) -> bytes:
        """Serialise the table.

        Returns
        -------
        bytes
            Content of the file that :meth:`write` writes.
        """
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "table.parquet"
            self.write(path)
            return path.read_bytes()


def check_settings(expected: ProxySettings, got: ProxySettings) -> None:
    """Refuse to mix features of different settings.

    Parameters
    ----------
    expected, got : ProxySettings
        Settings to compare.

    Raises
    ------
    MismatchError
        Lists every setting that differs.
    """
    check_same_settings(asdict(expected), asdict(got), "features were computed under")


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Join two rows of one architecture; the new row's values win."""
    row = {**old} | {name: value for name, value in new.items() if value is not None}
    reasons = json.loads(old["reasons"]) | json.loads(new["reasons"])
    reasons = {name: why for name, why in reasons.items() if row.get(name) is None}
    errors = {name: error for name, error in _errors(old).items() if new.get(name) is None}
    return row | {"reasons": json.dumps(reasons), _ERRORS: _json(errors | _errors(new))}


def _frame(records: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    rows = list(records)
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _NOT_FEATURES))
    schema = {"id": pl.String, "arch": pl.String, **dict.fromkeys(names, pl.Float64)}
    return pl.DataFrame(rows, schema={**schema, "reasons": pl.String, _ERRORS: pl.String})


def _errors(record: Mapping[str, Any]) -> dict[str, float]:
    errors: dict[str, float] = json.loads(record.get(_ERRORS) or "{}")
    return errors


def _json(errors: Mapping[str, float]) -> str | None:
    return json.dumps(errors) if errors else None
