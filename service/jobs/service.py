"""The job service: what routes ask of jobs, with the database off the event loop."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from acorn.schemas.jobs import Job, JobList
from acorn.schemas.problems import Problem
from service.errors import ConflictError, QueueFullError
from service.jobs.background import PoolCompute, compute_in_background
from service.jobs.job_tables import TableForm, write_table
from service.jobs.runner import JobRunner
from service.jobs.store import JobStore
from service.jobs.submission import digest, read_job
from service.prediction.predictor import Predictor
from service.settings import Settings
from service.storage.database import Database, DatabaseError

logger = logging.getLogger(__name__)

T = TypeVar("T")

SUBMISSIONS = 4
"""Jobs that may arrive at a time, which bounds the memory of their bodies."""

LINES = 500
"""Results that are read from the database at a time."""

WATCH_SECONDS = 0.5
DAY = 86_400.0


class JobService:
    """Accepts jobs, runs them, and gives their progress and results.

    Parameters
    ----------
    database : Database
        Keeps the jobs.
    predictor : Predictor
        Predicts the architectures.
    compute : PoolCompute
        Computes features on the worker pool.
    settings : Settings
        Limits, lease and retention of jobs.
    describe_error : callable
        Describes an error for the client.
    """

    def __init__(
        self,
        database: Database,
        predictor: Predictor,
        compute: PoolCompute,
        settings: Settings,
        describe_error: Callable[[Exception], Problem],
    ) -> None:
        self._predictor = predictor
        self._most = settings.max_job_architectures
        self._store = JobStore(database, most_active=settings.max_active_jobs)
        self._runner = JobRunner(
            self._store,
            predictor.predict_each,
            compute_in_background(compute, workers=settings.workers),
            describe_error=describe_error,
            lease_seconds=settings.job_lease_seconds,
            retention_seconds=settings.job_retention_days * DAY,
        )
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="acorn-jobs")
        self._arriving = 0
        self._reading = asyncio.Lock()

    def start(self) -> None:
        """Start to run jobs."""
        self._runner.start()

    async def stop(self) -> None:
        """Stop; unfinished jobs continue on another server or after the next start."""
        await self._runner.stop()
        self._threads.shutdown()

    async def submit(
        self,
        body: Callable[[], Awaitable[tuple[bytes, str]]],
        query: Mapping[str, str],
        *,
        client: str,
        key: str | None,
    ) -> tuple[Job, bool]:
        """Accept a job.

        Parameters
        ----------
        body : callable
            Reads the body of the request; gives it with its media type.
        query : mapping of str to str
            Options for a body of lines.
        client : str
            The client, which alone sees the job.
        key : str or None
            The client's idempotency key: equal keys give the same job.

        Returns
        -------
        job : Job
        is_new : bool
            Whether the key was not used before.

        Raises
        ------
        QueueFullError
            If too many jobs arrive, wait or run.
        ServiceError
            As :func:`~service.jobs.submission.read_job` does.
        """
        if self._arriving >= SUBMISSIONS:
            raise QueueFullError("several other jobs are just arriving", retry_after=5)
        self._arriving += 1
        try:
            content, media_type = await body()
            hashed = None if key is None else hashlib.sha256(key.encode()).hexdigest()
            if hashed is not None:
                same = digest(content, media_type, query)
                sent = await self._use(self._store.find_sent, client, hashed, same)
                if sent is not None:
                    return sent, False
            async with self._reading:  # one at a time has the processor, and the memory
                new = await self._in_thread(
                    partial(
                        read_job,
                        content,
                        media_type,
                        query,
                        client=client,
                        idempotency=hashed,
                        check=self._predictor.check,
                        most=self._most,
                    )
                )
                job, is_new = await self._use(self._store.create, new)
        finally:
            self._arriving -= 1
        self._runner.wake()
        return job, is_new

    async def get(self, id_: str, client: str) -> Job:
        """Find a job of a client; raises :class:`~service.errors.NotFoundError`."""
        return await self._use(self._store.get, id_, client)

    async def list(self, client: str, *, limit: int, after: str | None) -> JobList:
        """List a client's jobs; see :meth:`service.jobs.store.JobStore.list`."""
        return await self._use(partial(self._store.list, client, limit=limit, after=after))

    async def count(self) -> dict[str, int]:
        """Count the jobs of all clients, by state."""
        return await self._use(self._store.count)

    async def cancel(self, id_: str, client: str) -> bool:
        """End a job that waits or runs, and keep its results; returns whether it did."""
        ended = await self._use(self._store.cancel, id_, client)
        self._runner.drop(id_)
        return ended

    async def remove(self, id_: str, client: str) -> None:
        """Delete a job that has ended, with its results."""
        await self._use(self._store.remove, id_, client)

    async def readable(self, id_: str, client: str) -> tuple[Job, int]:
        """Find a job and the index up to which its results are complete."""
        return await self._use(self._store.readable, id_, client)

    async def lines(self, id_: str, start: int, stop: int) -> AsyncGenerator[Sequence[str]]:
        """Read the results [start, stop) as lines of JSON, some at a time, in order."""
        while start < stop:
            rows = await self._use(partial(self._store.lines, id_, start, stop, most=LINES))
            if not rows:
                return
            yield [line for _, line in rows]
            start = rows[-1][0] + 1

    async def table(self, job: Job, form: TableForm) -> bytes:
        """Write the results of a job as a table.

        Raises :class:`~service.errors.ConflictError` if the job has not ended.
        """
        if job.active:
            raise ConflictError(
                f"got a job that is {job.state}; expected one that has ended, since a table is "
                "written as a whole"
            )
        chunks = [chunk async for chunk in self.lines(job.id, 0, job.total)]
        return await self._in_thread(partial(write_table, chunks, form))

    async def watch(self, id_: str, client: str) -> AsyncGenerator[Job]:
        """Give the job now and whenever it has progressed, until its end."""
        last: Job | None = None
        while last is None or last.active:
            job = await self.get(id_, client)
            if last is None or _progress(job) != _progress(last):
                yield job
            last = job
            if job.active:
                await asyncio.sleep(WATCH_SECONDS)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def _use(self, function: Callable[..., T], *args: object) -> T:
        """Use the store in a thread; log the reason if that fails."""
        try:
            return await self._in_thread(partial(function, *args))
        except DatabaseError as error:
            logger.warning("cannot use the store of jobs: %s", error.reason)
            raise


def _progress(job: Job) -> tuple[str, int, int]:
    return job.state, job.done, job.failed
