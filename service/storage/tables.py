"""The tables of the database, and the upgrade of an older database.

A table of the database holds its version. For each version, a function here upgrades the former
version, in one transaction under a lock: the first server that opens the database runs it, the
others wait. A migration tool would need a folder of scripts, a configuration and a command before
each start; for a few tables that only grow, a list of functions suffices.

Versions only add tables and columns. Servers of the former version therefore work with a newer
database, and replicas can be replaced one by one.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

metadata = sa.MetaData()

features = sa.Table(
    "features",
    metadata,
    # Ids may be long, and databases limit the length of indexed text.
    sa.Column("key", sa.String(64), primary_key=True, comment="SHA-256 of the id"),
    sa.Column("settings", sa.String(64), primary_key=True, comment="digest of the settings"),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("dataset", sa.String(64), nullable=False),
    sa.Column("values", sa.Text, nullable=False, comment="JSON object; null is unknown"),
    sa.Column("reasons", sa.Text, nullable=False, comment="JSON object: why a value is null"),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("created", sa.DateTime(timezone=True), server_default=sa.func.now()),
    sa.Column("errors", sa.Text, comment="JSON object: standard errors; null is none"),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("client", sa.String(64), nullable=False, comment="name of the key that sent it"),
    sa.Column("idempotency", sa.String(64), comment="SHA-256 of the client's key"),
    sa.Column("digest", sa.String(64), nullable=False, comment="SHA-256 of the request"),
    sa.Column("options", sa.Text, nullable=False, comment="JSON: the request but for its list"),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("done", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text, comment="JSON: the problem that ended it"),
    # Times are seconds since 1970, by the database's clock.
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("finished", sa.Double),
    sa.Column("served", sa.Double, nullable=False, comment="when a part was taken last"),
    sa.UniqueConstraint("client", "idempotency"),
    sa.Index("jobs_by_age", "client", "created", "id"),
    sa.Index("jobs_by_state", "state", "served"),
)

parts = sa.Table(
    "job_parts",
    metadata,
    sa.Column("job", sa.String(32), primary_key=True),
    sa.Column("first", sa.Integer, primary_key=True, comment="index of the first architecture"),
    sa.Column("specs", sa.Text, nullable=False, comment="JSON list; empty once it is finished"),
    sa.Column("finished", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("owner", sa.String(128), comment="the server that works on it"),
    sa.Column("lease", sa.Double, comment="when the owner counts as dead"),
    sa.Index("parts_by_owner", "owner"),
)

results = sa.Table(
    "job_results",
    metadata,
    sa.Column("job", sa.String(32), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("line", sa.Text, nullable=False, comment="JSON: a prediction or an error"),
)

_version = sa.Table(
    "schema_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("applied", sa.DateTime(timezone=True), server_default=sa.func.now()),
)


def _create(*tables: sa.Table) -> Callable[[sa.Connection], None]:
    """Create tables; databases older than the version table have them already."""
    return lambda connection: metadata.create_all(connection, tables)


def _add(column: sa.Column[Any]) -> Callable[[sa.Connection], None]:
    """Add a column; new databases have it already."""

    def step(connection: sa.Connection) -> None:
        table = column.table.name
        columns = sa.inspect(connection).get_columns(table)
        if column.name not in {existing["name"] for existing in columns}:
            compiled = CreateColumn(column).compile(connection)
            connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {compiled}"))

    return step


STEPS = (
    _create(features),
    _create(jobs, parts, results),
    _add(features.c.errors),
)
"""Upgrades to version 1, 2, ...; a released step never changes."""

_LOCK = 0x41636F726E  # an arbitrary number


def upgrade(begin: Callable[..., AbstractContextManager[sa.Connection]]) -> None:
    """Upgrade a database to the present version; writes nothing if it has this version.

    Parameters
    ----------
    begin : callable
        Begins a transaction; the argument ``write`` tells whether it writes.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        If the database fails.
    """
    with begin(write=False) as connection:
        if _current_version(connection) >= len(STEPS):
            return
    with begin(write=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        _version.create(connection, checkfirst=True)
        for version in range(_current_version(connection) + 1, len(STEPS) + 1):
            STEPS[version - 1](connection)
            connection.execute(_version.insert().values(version=version))


def _current_version(connection: sa.Connection) -> int:
    if not sa.inspect(connection).has_table(_version.name):
        return 0
    version: int | None = connection.execute(sa.select(sa.func.max(_version.c.version))).scalar()
    return version or 0
