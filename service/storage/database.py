"""The database: SQLite by default, PostgreSQL where several servers share one."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from acorn.errors import InputError
from service.errors import UnavailableError
from service.storage.tables import upgrade

CONNECT_SECONDS = 5
RETRY_AFTER_SECONDS = 10
LOCKED_SECONDS = 5.0
LOCKED_RETRY_SECONDS = 0.01
_WRITE = "acorn_write"


class DatabaseError(UnavailableError):
    """A database that cannot be used now; ``reason`` is for the log, not for clients."""

    def __init__(self, reason: str, *, passing: bool = True) -> None:
        super().__init__(
            "the database cannot be used now; the server's log says why",
            retry_after=RETRY_AFTER_SECONDS,
        )
        self.reason = " ".join(reason.split())
        self.passing = passing


class Database:
    """Transactions on a database whose tables are there and of this version.

    Safe to use from several threads and, since the database is, from several processes. Nothing is
    opened before the first transaction.

    Parameters
    ----------
    url
        SQLAlchemy URL; SQLite and PostgreSQL are supported.

    Attributes
    ----------
    failures
        Transactions that failed.

    Raises
    ------
    InputError
        If the URL is not one, or names a database that is not supported.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
            if parsed.drivername == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")
            wait = {"connect_timeout": CONNECT_SECONDS} if _is_postgresql(parsed) else {}
            self._engine = sa.create_engine(
                parsed,
                pool_pre_ping=True,
                hide_parameters=True,  # the log is no place for them
                connect_args={k: v for k, v in wait.items() if k not in parsed.query},
            )
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
            raise InputError(f"cannot use the database URL: {error}") from None
        if self.dialect not in ("sqlite", "postgresql"):
            raise InputError(f"got a database of {self.dialect}; expected sqlite or postgresql")
        if self.dialect == "sqlite":
            sa.event.listen(self._engine, "connect", _tune_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        self._preparing = threading.Lock()
        self._prepared = False
        self.failures = 0

    @property
    def dialect(self) -> str:
        """Either sqlite or postgresql."""
        return self._engine.dialect.name

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sa.Connection]:
        """Run the block in a transaction, which is undone where the block raises.

        A transaction that writes says so beforehand: SQLite lets one in at a time, and one that
        comes to write only later could find that it must not.

        Raises
        ------
        DatabaseError
            For whatever goes wrong in the database.
        """
        try:
            self._prepare()
            with self._begin(write=write) as connection:
                yield connection
        except sa.exc.DataError as error:  # of what was to be written, not of the database
            self.failures += 1
            raise DatabaseError(str(error), passing=False) from error
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self.failures += 1
            raise DatabaseError(str(error)) from error
        except DatabaseError:
            self.failures += 1
            raise

    def now(self, connection: sa.Connection) -> float:
        """Seconds since 1970 by the one clock that all servers on the database share."""
        if self.dialect == "sqlite":
            return time.time()
        clock = sa.extract("epoch", sa.func.clock_timestamp())
        return float(connection.execute(sa.select(clock)).scalar_one())

    def insert(self, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
        """Begin an insertion that may say what to do about rows that are there already."""
        return sqlite.insert(table) if self.dialect == "sqlite" else postgresql.insert(table)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _begin(self, *, write: bool) -> AbstractContextManager[sa.Connection]:
        return self._engine.execution_options(**{_WRITE: write}).begin()

    def _prepare(self) -> None:
        with self._preparing:
            if self._prepared:
                return
            database = self._engine.url.database or ":memory:"
            is_path = database != ":memory:" and not database.startswith("file:")  # which is a URI
            if self.dialect == "sqlite" and is_path:
                Path(database).parent.mkdir(parents=True, exist_ok=True)
            upgrade(self._begin)
            self._prepared = True


def _is_postgresql(url: sa.URL) -> bool:
    return url.get_backend_name() == "postgresql"


def _tune_sqlite(connection: object, _record: object) -> None:
    # The driver would begin transactions by itself, and not before the first that writes.
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute(f"PRAGMA busy_timeout={LOCKED_SECONDS * 1000:.0f}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Let readers go on while one writes.

    Where two connections to a new file meet, SQLite refuses the change at once, whatever its busy
    timeout; the wait is therefore ours.
    """
    end = time.monotonic() + LOCKED_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(LOCKED_RETRY_SECONDS)


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
