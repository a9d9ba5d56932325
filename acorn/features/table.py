"""Features of many architectures under one setting: the form in which they are kept and shipped."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from acorn.errors import InvalidTableError, MismatchError
from acorn.features.settings import ProxySettings

SETTINGS_KEY = "acorn.settings"
_KEYS = ("id", "arch", "reasons")
_ERRORS = "errors"
_NOT_FEATURES = (*_KEYS, _ERRORS)


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """Features of one function.

    Attributes
    ----------
    id
        :attr:`acorn.spaces.base.Architecture.id`.
    values
        Value of each feature; None where it could not be had.
    reasons
        Why, for each None.
    seconds
        Wall-clock seconds that it took.
    errors
        Standard error of each value that is a mean over draws.
    """

    id: str
    values: dict[str, float | None]
    reasons: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    errors: dict[str, float] = field(default_factory=dict)


class FeatureTable:
    """One row a function, sorted by id; one column a feature; all under one setting.

    On disk it is a Parquet file with string columns ``id``, ``arch`` (the canonical form) and
    ``reasons`` (JSON: why values are null), a float64 column for each feature, and the settings
    in the file's metadata. A nullable string column ``errors`` (JSON: standard errors of values
    that are means over draws) is there from engine 2 on, and null where no value has one.

    Parameters
    ----------
    frame
        The columns named above.
    settings
        What the proxies were computed under.
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
        """The functions, in order."""
        return self.frame["id"].to_list()

    @cached_property
    def _columns(self) -> list[str]:
        return self.frame.columns  # which makes the list anew each time

    @cached_property
    def _index(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self.ids)}

    def __contains__(self, id_: object) -> bool:
        return id_ in self._index

    def row(self, id_: str) -> FeatureRow | None:
        """Features of one function; None where the table has it not."""
        position = self._index.get(id_)
        if position is None:
            return None
        values = dict(zip(self._columns, self.frame.row(position), strict=True))
        features = {name: values[name] for name in self.feature_names}
        reasons, errors = json.loads(values["reasons"]), _errors(values)
        return FeatureRow(id_, features, reasons, errors=errors)

    def matrix(self, names: Sequence[str], ids: Iterable[str] | None = None) -> np.ndarray:
        """Features as a float32 array of shape (rows, names); null becomes NaN.

        Raises
        ------
        InvalidTableError
            For a column, or an id, that the table does not have.
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

    def joined(self, other: Self) -> Self:
        """Rows and columns of both; where both have a value, ``other``'s stands.

        Raises
        ------
        MismatchError
            If the tables were computed under different settings.
        """
        check_settings(self.settings, other.settings)
        mine = {row["id"]: row for row in self.frame.to_dicts()}
        for row in other.frame.to_dicts():
            old = mine.get(row["id"], {})
            reasons = json.loads(old.get("reasons", "{}")) | json.loads(row["reasons"])
            fresh = {k: v for k, v in row.items() if v is not None or k not in old}
            merged = old | fresh
            kept = {name: why for name, why in reasons.items() if merged.get(name) is None}
            errors = {k: v for k, v in _errors(old).items() if row.get(k) is None} | _errors(row)
            mine[row["id"]] = merged | {"reasons": json.dumps(kept), _ERRORS: _json(errors)}
        return type(self)(_frame(mine.values()), self.settings)

    @classmethod
    def from_rows(cls, rows: Iterable[FeatureRow], settings: ProxySettings) -> Self:
        """Collect computed rows; the part of an id behind the slash is the canonical form."""
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
        """Read a table; raises :class:`~acorn.errors.InvalidTableError` where it is none."""
        try:
            settings = ProxySettings(**json.loads(pl.read_parquet_metadata(path)[SETTINGS_KEY]))
            frame = pl.read_parquet(path)
        except FileNotFoundError:
            raise InvalidTableError(f"no feature table at {path}") from None
        except (KeyError, TypeError, ValueError, OSError, pl.exceptions.PolarsError) as error:
            raise InvalidTableError(f"{path} is no feature table: {error!r}") from error
        return cls(frame, settings)

    def write(self, path: Path) -> None:
        """Write the table; a reader sees the old file or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            try:
                self.frame.write_parquet(
                    file.name,
                    compression="zstd",
                    metadata={SETTINGS_KEY: json.dumps(asdict(self.settings))},
                )
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink()
                raise


def check_settings(expected: ProxySettings, got: ProxySettings) -> None:
    """Refuse to mix features of different settings; raises :class:`MismatchError`."""
    wanted, found = asdict(expected), asdict(got)
    differing = [name for name in wanted if wanted[name] != found[name]]
    if differing:
        raise MismatchError(
            "features were computed under other settings: "
            + "; ".join(f"{n} is {found[n]!r}, expected {wanted[n]!r}" for n in differing)
        )


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
