"""The database: SQLite by default, PostgreSQL if several servers share one."""

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
    """The database cannot be used now.

    Parameters
    ----------
    reason : str
        For the log, not for clients.
    passing : bool, default=True
        Whether a later transaction may succeed.
    """

    def __init__(self, reason: str, *, passing: bool = True) -> None:
        super().__init__(
            "the database cannot be used now; the server's log says why",
            retry_after=RETRY_AFTER_SECONDS,
        )
        self.reason = " ".join(reason.split())
        self.passing = passing


class Database:
    """Transactions on a database; its tables are created or upgraded before the first one.

    Safe to use from several threads, and the database from several processes. No connection is
    opened before the first transaction.

    Parameters
    ----------
    url : str
        SQLAlchemy URL; SQLite and PostgreSQL are supported.

    Attributes
    ----------
    failures : int
        Number of failed transactions.

    Raises
    ------
    InputError
        If the URL is invalid, or its database is not supported.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
            if parsed.drivername == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")
            is_postgresql = parsed.get_backend_name() == "postgresql"
            wait = {"connect_timeout": CONNECT_SECONDS} if is_postgresql else {}
            self._engine = sa.create_engine(
                parsed,
                pool_pre_ping=True,
                hide_parameters=True,  # keep them out of the log
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
        """Run the block in a transaction, which is rolled back if the block raises.

        Parameters
        ----------
        write : bool
            Whether the block writes. SQLite allows one writing transaction at a time, and a
            reading transaction cannot always be upgraded to a writing one.

        Yields
        ------
        sqlalchemy.Connection

        Raises
        ------
        DatabaseError
            If the database fails.
        """
        try:
            self._prepare()
            with self._begin(write=write) as connection:
                yield connection
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self.failures += 1
            are_values_wrong = isinstance(error, sa.exc.DataError)
            raise DatabaseError(str(error), passing=not are_values_wrong) from error

    def now(self, connection: sa.Connection) -> float:
        """Return seconds since 1970 by the clock that all servers on the database share."""
        if self.dialect == "sqlite":
            return time.time()
        clock = sa.extract("epoch", sa.func.clock_timestamp())
        return float(connection.execute(sa.select(clock)).scalar_one())

    def insert(self, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
        """Create an insert statement that supports ``on_conflict_do_update``."""
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


def _tune_sqlite(connection: object, _record: object) -> None:
    # Else the driver begins transactions itself, and only before the first write.
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute(f"PRAGMA busy_timeout={LOCKED_SECONDS * 1000:.0f}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Turn on write-ahead logging, so that readers can read while another connection writes.

    If two connections open a new file at once, SQLite refuses the change immediately in spite of
    the busy timeout; therefore this function waits itself.
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
