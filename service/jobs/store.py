"""Jobs in the database, which several servers may use at once.

All methods raise :class:`~service.storage.database.DatabaseError` if the database cannot be used.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from acorn.schemas.jobs import ACTIVE, Job, JobList
from acorn.schemas.problems import Problem, ProblemItem
from service.errors import InvalidRequestError, NotFoundError, QueueFullError
from service.storage.database import Database
from service.storage.tables import jobs, parts, results

RETRY_AFTER_SECONDS = 60
_CANDIDATES = 10
_REMOVED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class NewJob:
    """A valid new job.

    Attributes
    ----------
    client : str
        Name of the API key that sent it; other clients do not see it.
    idempotency : str or None
        SHA-256 of the client's idempotency key.
    digest : str
        SHA-256 of the request.
    options : dict
        The request without its architectures.
    total : int
        Number of architectures.
    parts : dict of int to str
        Architectures of each part as JSON, by the index of the first.
    """

    client: str
    idempotency: str | None
    digest: str
    options: dict[str, Any]
    total: int
    parts: dict[int, str]


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive architectures of a job, leased to one server."""

    job: str
    first: int
    options: dict[str, Any]
    items: list[dict[str, Any]]

    @property
    def key(self) -> tuple[str, int]:
        """Identifies the part."""
        return self.job, self.first


class _LostLeaseError(Exception):
    """Another server has the part by now."""


class JobStore:
    """Jobs, their parts and their results.

    Methods that take an id ``id_`` and a ``client`` (the name of an API key) raise
    :class:`~service.errors.NotFoundError` if this client has no such job.

    Parameters
    ----------
    database : Database
    most_active : int
        Jobs that may wait or run at a time, over all servers.
    """

    def __init__(self, database: Database, *, most_active: int) -> None:
        self._database = database
        self._most_active = most_active

    # For clients

    def create(self, new: NewJob) -> tuple[Job, bool]:
        """Store a new job.

        Parameters
        ----------
        new : NewJob

        Returns
        -------
        job : Job
        is_new : bool
            Whether its idempotency key was not used before.

        Raises
        ------
        QueueFullError
            If too many jobs wait or run.
        InvalidRequestError
            If the key was used for another request.
        """
        id_ = uuid.uuid4().hex
        with self._database.transaction(write=True) as connection:
            sent = self._find_sent(connection, new.client, new.idempotency, new.digest)
            if sent is not None:
                return sent, False
            active = sa.select(sa.func.count()).where(jobs.c.state.in_(ACTIVE))
            if connection.execute(active).scalar_one() >= self._most_active:
                raise QueueFullError(
                    f"got a job while {self._most_active} wait or run, which is the most",
                    retry_after=RETRY_AFTER_SECONDS,
                )
            now = self._database.now(connection)
            statement = self._database.insert(jobs).values(
                id=id_,
                client=new.client,
                idempotency=new.idempotency,
                digest=new.digest,
                options=json.dumps(new.options),
                state="queued",
                total=new.total,
                created=now,
                served=now,
            )
            # The same job may arrive at another server at this moment.
            insertion = statement.on_conflict_do_nothing().returning(jobs.c.id)
            if connection.execute(insertion).one_or_none() is not None:
                rows = [
                    {"job": id_, "first": first, "specs": text} for first, text in new.parts.items()
                ]
                connection.execute(parts.insert(), rows)
                return self._job(connection, id_, new.client), True
        with self._database.transaction(write=False) as connection:
            sent = self._find_sent(connection, new.client, new.idempotency, new.digest)
        if sent is None:  # it was deleted in the meantime
            return self.create(new)
        return sent, False

    def find_sent(self, client: str, idempotency: str, digest: str) -> Job | None:
        """Find the job that a client sent with an idempotency key.

        Parameters
        ----------
        client : str
        idempotency : str
            SHA-256 of the key.
        digest : str
            SHA-256 of the request.

        Returns
        -------
        Job or None
            None if the client did not use the key before.

        Raises
        ------
        InvalidRequestError
            If the client used the key for another request.
        """
        with self._database.transaction(write=False) as connection:
            return self._find_sent(connection, client, idempotency, digest)

    def get(self, id_: str, client: str) -> Job:
        """Find a job."""
        with self._database.transaction(write=False) as connection:
            return self._job(connection, id_, client)

    def list(self, client: str, *, limit: int, after: str | None) -> JobList:
        """List a client's jobs, the newest first.

        Parameters
        ----------
        client : str
        limit : int
            Jobs of a page.
        after : str or None
            Id of the last job of the page before.

        Raises
        ------
        NotFoundError
            If there is no job ``after``.
        """
        order = jobs.c.created.desc(), jobs.c.id.desc()
        query = sa.select(jobs).where(jobs.c.client == client).order_by(*order).limit(limit + 1)
        with self._database.transaction(write=False) as connection:
            if after is not None:
                last = self._row(connection, after, client)
                place = sa.tuple_(jobs.c.created, jobs.c.id)
                query = query.where(place < sa.tuple_(last.created, last.id))
            rows = connection.execute(query).all()
            now = self._database.now(connection)
        page = [_job(row, now) for row in rows[:limit]]
        more = f"/jobs?limit={limit}&after={page[-1].id}" if len(rows) > limit else None
        return JobList(jobs=page, next=more)

    def count(self) -> dict[str, int]:
        """Count the jobs of all clients, by state."""
        query = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
        with self._database.transaction(write=False) as connection:
            return {str(state): int(n) for state, n in connection.execute(query)}

    def cancel(self, id_: str, client: str) -> bool:
        """End a job that waits or runs; returns False for a job that had ended before."""
        with self._database.transaction(write=True) as connection:
            self._row(connection, id_, client)
            return self._end(connection, id_, "cancelled")

    def remove(self, id_: str, client: str) -> None:
        """Delete a job that has ended, with its results."""
        with self._database.transaction(write=True) as connection:
            self._row(connection, id_, client)
            _remove(connection, [id_])

    def readable(self, id_: str, client: str) -> tuple[Job, int]:
        """Find a job, and the index up to which its results are complete.

        For a job that was cancelled or failed, the index is its length, since no result follows.
        """
        unfinished = sa.select(sa.func.min(parts.c.first)).where(
            parts.c.job == id_, ~parts.c.finished
        )
        with self._database.transaction(write=False) as connection:
            # This is read first, so that parts which finish between the reads are read later.
            stop = connection.execute(unfinished).scalar()
            job = self._job(connection, id_, client)
        return job, stop if stop is not None and job.active else job.total

    def search_options(self, id_: str, client: str) -> dict[str, Any]:
        """Find the request of a search; raises NotFoundError also for another kind of job."""
        with self._database.transaction(write=False) as connection:
            options: dict[str, Any] = json.loads(self._row(connection, id_, client).options)
        if options.get("kind") != "search":
            raise NotFoundError(f"job {id_[:64]!r} is no search, so it has no front")
        return options

    def lines(self, id_: str, start: int, stop: int, *, most: int) -> Sequence[tuple[int, str]]:
        """Read at most ``most`` of the results [start, stop) as JSON, each with its index."""
        query = (
            sa.select(results.c.position, results.c.line)
            .where(results.c.job == id_, results.c.position >= start, results.c.position < stop)
            .order_by(results.c.position)
            .limit(most)
        )
        with self._database.transaction(write=False) as connection:
            return [(row.position, row.line) for row in connection.execute(query)]

    # For servers

    def claim(self, owner: str, lease: float) -> Part | None:
        """Lease a part of the job that was served least recently.

        Parameters
        ----------
        owner : str
            The server that takes the part.
        lease : float
            Seconds until other servers may take it, unless the lease is renewed.

        Returns
        -------
        Part or None
            The first part that is not leased, or whose lease has expired; None if there is none.
        """
        with self._database.transaction(write=False) as connection:
            open_parts = sa.exists().where(
                parts.c.job == jobs.c.id, self._free(self._database.now(connection))
            )
            candidates = (
                sa.select(jobs.c.id)
                .where(jobs.c.state.in_(ACTIVE), open_parts)
                .order_by(jobs.c.served)
                .limit(_CANDIDATES)
            )
            ids = connection.execute(candidates).scalars().all()
        for id_ in ids:
            if (part := self._claim_of(id_, owner, lease)) is not None:
                return part
        return None

    def finish(
        self,
        part: Part,
        owner: str,
        lines: dict[int, str],
        *,
        done: int,
        failed: int,
        following: str | None = None,
    ) -> bool:
        """Write the results of a part.

        Parameters
        ----------
        part : Part
        owner : str
            The server that has the part.
        lines : dict of int to str
            Results as JSON, by index.
        done, failed : int
            How many of them are predictions and errors.
        following : str, optional
            Architectures of the next part as JSON, if parts are added one by one. Empty text ends
            such a job. By default all parts are known from the beginning.

        Returns
        -------
        bool
            False, and nothing is written, if the job has ended or another server has the part.
        """
        ended = jobs.c.done + jobs.c.failed + done + failed
        complete = ended >= jobs.c.total if following is None else sa.literal(not following)
        try:
            with self._database.transaction(write=True) as connection:
                now = self._database.now(connection)
                progress = (
                    sa.update(jobs)
                    .where(jobs.c.id == part.job, jobs.c.state == "running")
                    .values(
                        done=jobs.c.done + done,
                        failed=jobs.c.failed + failed,
                        total=jobs.c.total if following != "" else ended,
                        state=sa.case((complete, "done"), else_=jobs.c.state),
                        finished=sa.case((complete, now), else_=None),
                    )
                )
                _expect_one(connection.execute(progress))
                end = (
                    sa.update(parts)
                    .where(parts.c.job == part.job, parts.c.first == part.first)
                    .where(parts.c.owner == owner, ~parts.c.finished)
                    .values(finished=True, owner=None, lease=None, specs="")
                )
                _expect_one(connection.execute(end))
                rows = [
                    {"job": part.job, "position": index, "line": line}
                    for index, line in lines.items()
                ]
                connection.execute(results.insert(), rows)
                if following:
                    next_part = {
                        "job": part.job,
                        "first": part.first + len(lines),
                        "specs": following,
                    }
                    connection.execute(parts.insert(), next_part)
        except _LostLeaseError:
            return False
        return True

    def renew(self, owner: str, lease: float) -> set[tuple[str, int]]:
        """Renew the leases of all parts of a server; returns the parts that are still wanted."""
        with self._database.transaction(write=True) as connection:
            due = self._database.now(connection) + lease
            mine = parts.c.owner == owner
            connection.execute(sa.update(parts).where(mine, ~parts.c.finished).values(lease=due))
            wanted_parts = (
                sa.select(parts.c.job, parts.c.first)
                .join(jobs, jobs.c.id == parts.c.job)
                .where(mine, jobs.c.state == "running")
            )
            return {(row.job, row.first) for row in connection.execute(wanted_parts)}

    def release(self, owner: str, part: Part | None = None) -> None:
        """Release a part, or all of a server, so that others need not wait for the lease to end."""
        statement = sa.update(parts).where(parts.c.owner == owner, ~parts.c.finished)
        if part is not None:
            statement = statement.where(parts.c.job == part.job, parts.c.first == part.first)
        with self._database.transaction(write=True) as connection:
            connection.execute(statement.values(owner=None, lease=None))

    def fail(self, id_: str, problem: Problem) -> None:
        """End a job that cannot continue."""
        with self._database.transaction(write=True) as connection:
            self._end(connection, id_, "failed", error=problem.model_dump_json())

    def clean(self, seconds: float) -> int:
        """Delete some jobs that ended more than ``seconds`` ago; returns how many."""
        with self._database.transaction(write=True) as connection:
            old = (
                sa.select(jobs.c.id)
                .where(jobs.c.finished < self._database.now(connection) - seconds)
                .limit(_REMOVED_AT_ONCE)
            )
            ids = connection.execute(old).scalars().all()
            _remove(connection, ids)
        return len(ids)

    # Inside of a transaction

    def _find_sent(
        self, connection: sa.Connection, client: str, idempotency: str | None, digest: str
    ) -> Job | None:
        if idempotency is None:
            return None
        query = sa.select(jobs).where(jobs.c.client == client, jobs.c.idempotency == idempotency)
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.digest != digest:
            detail = f"got the key of job {row.id}, which is another request; expected a new key"
            raise InvalidRequestError(
                [ProblemItem(pointer="/header/idempotency-key", detail=detail)]
            )
        return _job(row, self._database.now(connection))

    def _row(self, connection: sa.Connection, id_: str, client: str) -> Any:
        query = sa.select(jobs).where(jobs.c.id == id_, jobs.c.client == client)
        row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"no job {id_[:64]!r}")
        return row

    def _job(self, connection: sa.Connection, id_: str, client: str) -> Job:
        return _job(self._row(connection, id_, client), self._database.now(connection))

    def _end(self, connection: sa.Connection, id_: str, state: str, **values: str) -> bool:
        statement = (
            sa.update(jobs)
            .where(jobs.c.id == id_, jobs.c.state.in_(ACTIVE))
            .values(state=state, finished=self._database.now(connection), **values)
        )
        return connection.execute(statement).rowcount > 0

    def _claim_of(self, id_: str, owner: str, lease: float) -> Part | None:
        # The row of the job is locked first, as in finish(), which excludes deadlocks.
        this = sa.select(jobs.c.options).where(jobs.c.id == id_, jobs.c.state.in_(ACTIVE))
        with self._database.transaction(write=True) as connection:
            job = connection.execute(this.with_for_update()).one_or_none()
            now = self._database.now(connection)
            first_free = (
                sa.select(parts.c.first, parts.c.specs)
                .where(parts.c.job == id_, self._free(now))
                .order_by(parts.c.first)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            part = None if job is None else connection.execute(first_free).one_or_none()
            if job is None or part is None:
                return None
            connection.execute(
                sa.update(parts)
                .where(parts.c.job == id_, parts.c.first == part.first)
                .values(owner=owner, lease=now + lease)
            )
            connection.execute(
                sa.update(jobs)
                .where(jobs.c.id == id_)
                .values(served=now, state="running", started=sa.func.coalesce(jobs.c.started, now))
            )
            return Part(id_, part.first, json.loads(job.options), json.loads(part.specs))

    @staticmethod
    def _free(now: float) -> sa.ColumnElement[bool]:
        return ~parts.c.finished & (parts.c.lease.is_(None) | (parts.c.lease < now))


def _expect_one(result: sa.CursorResult[Any]) -> None:
    if result.rowcount != 1:
        raise _LostLeaseError


def _remove(connection: sa.Connection, ids: Sequence[str]) -> None:
    connection.execute(sa.delete(jobs).where(jobs.c.id.in_(ids)))
    connection.execute(sa.delete(parts).where(parts.c.job.in_(ids)))
    connection.execute(sa.delete(results).where(results.c.job.in_(ids)))


def _job(row: Any, now: float) -> Job:
    options = json.loads(row.options)
    ended = row.done + row.failed
    rate = left = None
    if row.started is not None and ended:
        rate = ended / max((row.finished or now) - row.started, 1e-3)
        left = (row.total - ended) / rate if row.state in ACTIVE else 0.0
    path = f"/jobs/{row.id}"
    fields = {
        "dataset": options["dataset"],
        "forest": options.get("forest"),
        "kind": options.get("kind", "predictions"),
        "rate": rate,
        "seconds_left": left,
        "error": None if row.error is None else json.loads(row.error),
        "links": {"job": path, "result": f"{path}/result", "events": f"{path}/events"},
        "front": f"{path}/front" if options.get("kind") == "search" else None,
    }
    return Job.model_validate({**row._mapping, **fields})
