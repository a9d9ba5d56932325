"""Computed features in a database, so that no network is computed twice.

A failure of the store never fails a prediction: rows that cannot be read count as unknown, rows
that cannot be written are dropped, and the log reports it.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa

from acorn.features.feature_table import FeatureRow
from service.storage.database import Database, DatabaseError
from service.storage.tables import features

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_SECONDS = 30.0
_CHUNK = 500  # keys a query; SQLite has a limit on parameters


class FeatureStore:
    """Feature rows by canonical id and digest of the settings (dataset, batch, seed, engine).

    Safe to use from several threads, and the database from several processes.

    Parameters
    ----------
    database : Database
        Closed with the store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reads_from = self._writes_from = 0.0

    @property
    def failures(self) -> int:
        """Number of failed transactions of the database."""
        return self._database.failures

    def get(self, ids: Iterable[str], settings: str) -> dict[str, FeatureRow]:
        """Read rows.

        Parameters
        ----------
        ids : iterable of str
            Canonical ids.
        settings : str
            Digest of the settings.

        Returns
        -------
        dict of str to FeatureRow
            The known rows, by id.
        """
        keys = [_key(id_) for id_ in ids]

        def read(connection: sa.Connection) -> dict[str, FeatureRow]:
            rows_by_id: dict[str, FeatureRow] = {}
            for chunk in _chunks(keys):
                query = sa.select(features).where(
                    features.c.settings == settings, features.c.key.in_(chunk)
                )
                rows = map(_row, connection.execute(query))
                rows_by_id |= {row.id: row for row in rows if row is not None}
            return rows_by_id

        return self._attempt("read", read) or {}

    def put(self, row: FeatureRow, *, dataset: str, settings: str) -> None:
        """Write a row; the features of a former row of the same id and settings are kept.

        Parameters
        ----------
        row : FeatureRow
        dataset : str
        settings : str
            Digest of the settings.
        """
        key = _key(row.id)
        former = sa.select(features).where(features.c.settings == settings, features.c.key == key)

        def write(connection: sa.Connection) -> None:
            older = next(map(_row, connection.execute(former)), None)
            merged = row if older is None else row.merged(older)
            record = {
                "key": key,
                "settings": settings,
                "id": row.id,
                "dataset": dataset,
                "values": json.dumps(merged.values),
                "reasons": json.dumps(merged.reasons),
                "seconds": merged.seconds,
                "errors": json.dumps(merged.errors) if merged.errors else None,
            }
            statement = self._database.insert(features).values(record)
            statement = statement.on_conflict_do_update(
                index_elements=["key", "settings"],
                set_={name: record[name] for name in ("values", "reasons", "seconds", "errors")},
            )
            connection.execute(statement)

        self._attempt("write", write, write=True)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _attempt(
        self, action: str, operation: Callable[[sa.Connection], T], *, write: bool = False
    ) -> T | None:
        """Run an operation in a transaction; log a failure and return None.

        After a failure the database is not used for a while, so that a database that hangs does not
        slow every prediction. After a failed write, for example on a full disk, it is still read.
        """
        if time.monotonic() < (self._writes_from if write else self._reads_from):
            return None
        try:
            with self._database.transaction(write=write) as connection:
                return operation(connection)
        except DatabaseError as error:
            pause = PAUSE_SECONDS if error.passing else 0.0
            self._writes_from = time.monotonic() + pause
            if not write:
                self._reads_from = self._writes_from
            logger.warning(
                "cannot %s the feature store, continuing without it for %g s: %s",
                action,
                pause,
                error.reason,
            )
            return None


def _row(record: Any) -> FeatureRow | None:
    try:
        values, reasons = json.loads(record.values), json.loads(record.reasons)
        errors = json.loads(record.errors) if record.errors else {}
    except ValueError:
        logger.warning("the feature store's row of %s is damaged; it counts as unknown", record.id)
        return None
    return FeatureRow(record.id, values, reasons, record.seconds, errors)


def _key(id_: str) -> str:
    return hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()


def _chunks(items: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
