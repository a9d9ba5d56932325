"""The job service: the operations of the routes on jobs, with the database in threads."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from acorn.features.feature_table import FeatureRow
from acorn.schemas.jobs import Job, JobList, SearchFront
from acorn.schemas.problems import Problem
from service.errors import ConflictError, QueueFullError
from service.jobs.background import compute_in_background
from service.jobs.job_tables import TableForm, write_table
from service.jobs.runner import JobRunner
from service.jobs.search import SearchFronts
from service.jobs.store import JobStore
from service.jobs.submission import digest, read_job
from service.prediction.predictor import Predictor
from service.settings import Settings
from service.storage.database import Database, DatabaseError
from service.workers import WorkerPool
from service.workers.feature_work import FeatureTask

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

SUBMISSIONS = 4
"""Jobs that may arrive at a time, which bounds the memory of their bodies."""

LINES = 500
"""Results that are read from the database at a time."""

WATCH_SECONDS = 0.5


class JobService:
    """Accepts jobs, runs them, and reports their progress and results.

    Methods that take an id ``id_`` and a ``client`` (the name of an API key, or an empty text)
    raise :class:`~service.errors.NotFoundError` if this client has no such job.

    Parameters
    ----------
    database : Database
        Keeps the jobs.
    predictor : Predictor
        Predicts the architectures.
    pool : WorkerPool
        Computes features.
    settings : Settings
        Limits, lease and retention of jobs.
    describe_error : callable
        Describes an error for the client.
    """

    def __init__(
        self,
        database: Database,
        predictor: Predictor,
        pool: WorkerPool[FeatureTask, FeatureRow],
        settings: Settings,
        describe_error: Callable[[Exception], Problem],
    ) -> None:
        self._predictor = predictor
        self._most = settings.max_job_architectures
        self._store = JobStore(database, most_active=settings.max_active_jobs)
        compute = compute_in_background(pool)
        self._fronts = SearchFronts(self._store)
        self._runner = JobRunner(self._store, predictor, compute, settings, describe_error)
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
            The client; no other client sees the job.
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
                sent = await self._in_thread(self._store.find_sent, client, hashed, same)
                if sent is not None:
                    return sent, False
            async with self._reading:  # one at a time, which bounds processor load and memory
                new = await self._in_thread(
                    read_job,
                    content,
                    media_type,
                    query,
                    client=client,
                    idempotency=hashed,
                    predictor=self._predictor,
                    most=self._most,
                )
                job, is_new = await self._in_thread(self._store.create, new)
        finally:
            self._arriving -= 1
        self._runner.wake()
        return job, is_new

    async def get(self, id_: str, client: str) -> Job:
        """Find a job of a client."""
        return await self._in_thread(self._store.get, id_, client)

    async def list(self, client: str, *, limit: int, after: str | None) -> JobList:
        """List a client's jobs; see :meth:`service.jobs.store.JobStore.list`."""
        return await self._in_thread(self._store.list, client, limit=limit, after=after)

    async def count(self) -> dict[str, int]:
        """Count the jobs of all clients, by state."""
        return await self._in_thread(self._store.count)

    async def cancel(self, id_: str, client: str) -> bool:
        """End a job that waits or runs, and keep its results; returns whether it did."""
        ended = await self._in_thread(self._store.cancel, id_, client)
        self._runner.drop(id_)
        return ended

    async def remove(self, id_: str, client: str) -> None:
        """Delete a job that has ended, with its results."""
        await self._in_thread(self._store.remove, id_, client)

    async def readable(self, id_: str, client: str) -> tuple[Job, int]:
        """Find a job and the index up to which its results are complete."""
        return await self._in_thread(self._store.readable, id_, client)

    async def lines(self, id_: str, start: int, stop: int) -> AsyncGenerator[Sequence[str]]:
        """Read the results [start, stop) as lines of JSON, some at a time, in order."""
        while start < stop:
            rows = await self._in_thread(self._store.lines, id_, start, stop, most=LINES)
            if not rows:
                return
            yield [line for _, line in rows]
            start = rows[-1][0] + 1

    async def table(self, job: Job, form: TableForm) -> bytes:
        """Write the results of a job as a table.

        Parameters
        ----------
        job : Job
        form : {"csv", "parquet"}

        Returns
        -------
        bytes
            The file.

        Raises
        ------
        ConflictError
            If the job has not ended.
        """
        if job.active:
            raise ConflictError(
                f"got a job that is {job.state}; expected one that has ended, since a table is "
                "written as a whole"
            )
        chunks = [chunk async for chunk in self.lines(job.id, 0, job.total)]
        return await self._in_thread(write_table, chunks, form)

    async def front(self, id_: str, client: str) -> SearchFront:
        """Find the front of a search so far; see :meth:`service.jobs.search.SearchFronts.get`."""
        return await self._in_thread(self._fronts.get, id_, client)

    async def front_table(self, front: SearchFront, form: TableForm) -> bytes:
        """Write a front as a table, in the columns of the job's results."""
        lines = [member.model_dump_json() for member in front.front]
        return await self._in_thread(write_table, [lines] if lines else [], form)

    async def watch(self, id_: str, client: str) -> AsyncGenerator[Job]:
        """Yield the job now and whenever it has progressed, until its end."""
        last: Job | None = None
        while last is None or last.active:
            job = await self.get(id_, client)
            if last is None or _progress(job) != _progress(last):
                yield job
            last = job
            if job.active:
                await asyncio.sleep(WATCH_SECONDS)

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread; log the reason if the database fails."""
        call = partial(function, *args, **kwargs)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except DatabaseError as error:
            logger.warning("cannot use the store of jobs: %s", error.reason)
            raise


def _progress(job: Job) -> tuple[str, int, int]:
    return job.state, job.done, job.failed
