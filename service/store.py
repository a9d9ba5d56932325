"""Computed features, kept in a database so that no network is computed twice.

A store that fails never fails a prediction: what cannot be read counts as unknown, what cannot be
written is dropped, and the log says so.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models.errors import InputError
from models.feature_table import FeatureRow

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_SECONDS = 30.0
_CHUNK = 500  # keys a query; SQLite has a limit on parameters

_metadata = sa.MetaData()
_features = sa.Table(
    "features",
    _metadata,
    # Ids may be long, and databases limit the length of indexed text.
    sa.Column("key", sa.String(64), primary_key=True, comment="SHA-256 of the id"),
    sa.Column("settings", sa.String(64), primary_key=True, comment="digest of the settings"),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("dataset", sa.String(64), nullable=False),
    sa.Column("values", sa.Text, nullable=False, comment="JSON object; null is unknown"),
    sa.Column("reasons", sa.Text, nullable=False, comment="JSON object: why a value is null"),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("created", sa.DateTime(timezone=True), server_default=sa.func.now()),
)


class FeatureStore:
    """Features by canonical id and digest of the settings (dataset, batch, seed, engine).

    Safe to use from several threads and, since the database is, from several processes.

    Parameters
    ----------
    url
        SQLAlchemy URL; SQLite and PostgreSQL are supported.

    Raises
    ------
    InputError
        If the URL is not one, or names a database that is not supported.
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine = sa.create_engine(url, pool_pre_ping=True)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
            raise InputError(f"cannot use the database URL: {error}") from None
        if self._engine.dialect.name not in ("sqlite", "postgresql"):
            raise InputError(
                f"got a database of {self._engine.dialect.name}; expected sqlite or postgresql"
            )
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _tune_sqlite)
        self._prepared = False
        self._paused_until = 0.0
        self.failures = 0

    def get(self, ids: Iterable[str], settings: str) -> dict[str, FeatureRow]:
        """Find what is known of ``ids`` under the settings of that digest."""
        keys = [_key(id_) for id_ in ids]

        def read(connection: sa.Connection) -> dict[str, FeatureRow]:
            found: dict[str, FeatureRow] = {}
            for chunk in _chunks(keys):
                query = sa.select(_features).where(
                    _features.c.settings == settings, _features.c.key.in_(chunk)
                )
                rows = map(_row, connection.execute(query))
                found |= {row.id: row for row in rows if row is not None}
            return found

        return self._attempt("read", read) or {}

    def put(self, row: FeatureRow, *, dataset: str, settings: str) -> None:
        """Keep a row; one that is there already is replaced."""
        record = {
            "key": _key(row.id),
            "settings": settings,
            "id": row.id,
            "dataset": dataset,
            "values": json.dumps(row.values),
            "reasons": json.dumps(row.reasons),
            "seconds": row.seconds,
        }
        insert = postgresql.insert if self._is_postgresql else sqlite.insert
        statement = insert(_features).values(record)
        statement = statement.on_conflict_do_update(
            index_elements=["key", "settings"],
            set_={name: record[name] for name in ("values", "reasons", "seconds")},
        )
        self._attempt("write", lambda connection: connection.execute(statement))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @property
    def _is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def _attempt(self, action: str, operation: Callable[[sa.Connection], T]) -> T | None:
        """Do something in a transaction; None where it fails, which is logged.

        After a failure the database is left alone for a while, so that one that hangs or is full
        does not slow every prediction.
        """
        if time.monotonic() < self._paused_until:
            return None
        try:
            self._prepare()
            with self._engine.begin() as connection:
                return operation(connection)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self.failures += 1
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            reason = " ".join(str(error).split())
            logger.warning(
                "cannot %s the feature store, going on without for %g s: %s",
                action,
                PAUSE_SECONDS,
                reason,
            )
            return None

    def _prepare(self) -> None:
        if self._prepared:
            return
        database = self._engine.url.database
        if not self._is_postgresql and database and database != ":memory:":
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        _metadata.create_all(self._engine)
        self._prepared = True


def _tune_sqlite(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")  # readers go on while one writes
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()


def _row(record: Any) -> FeatureRow | None:
    try:
        values, reasons = json.loads(record.values), json.loads(record.reasons)
    except ValueError:
        logger.warning("the feature store's row of %s is damaged; it counts as unknown", record.id)
        return None
    return FeatureRow(record.id, values, reasons, record.seconds)


def _key(id_: str) -> str:
    return hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()


def _chunks(items: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
