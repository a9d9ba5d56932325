"""A pool of workers that apply a work function to payloads, each payload under a key.

Equal keys at the same time share one job. All state lives in the thread of the event loop; workers
report into it, and each processes one job at a time.

Failures:

- the queue is full: the caller gets :class:`~service.errors.QueueFullError`, nothing is queued;
- no worker takes a job in time: :class:`~service.errors.UnavailableError`;
- a job takes too long: :class:`~service.errors.DeadlineError`, and its worker is replaced;
- a worker dies: its job is tried once more; the second death quarantines the key;
- the work function raises: the caller gets its error, and the worker continues.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from acorn.errors import AcornError
from acorn.schemas.prediction import WorkersState
from service.errors import ComputationError, DeadlineError, QuarantinedError, UnavailableError
from service.workers.process import WorkerProcess
from service.workers.protocol import (
    Done,
    Failed,
    NotStarted,
    Started,
    StartWorker,
    Stop,
    Task,
    WorkerHandle,
    WorkFactory,
)
from service.workers.quarantine import Quarantine
from service.workers.queue import Job, JobQueue, Outcome, Timed

logger = logging.getLogger(__name__)

P = TypeVar("P")
R = TypeVar("R")

FIRST_BACKOFF_SECONDS = 0.5
LAST_BACKOFF_SECONDS = 30.0
FAILED_STARTS_TO_GIVE_UP = 3


class PoolLimits(BaseModel):
    """Sizes and deadlines of a pool, named as the settings of the server.

    Attributes
    ----------
    workers : int, default=1
    queue_size : int, default=256
        Jobs that may wait.
    waiting_seconds, computing_seconds, starting_seconds : float, default=120.0
        Longest wait and computation of a job, and longest start of a worker.
    recycle_after : int, default=1000
        Jobs after which a worker is replaced.
    recycle_bytes : int, default=None
        Bytes above which a worker is replaced after its job; None sets no limit.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    workers: int = 1
    queue_size: int = 256
    waiting_seconds: float = 120.0
    computing_seconds: float = 120.0
    starting_seconds: float = 120.0
    recycle_after: int = 1_000
    recycle_bytes: int | None = None


class _Slot(Timed, Generic[P, R]):
    """A place for a worker, which a new worker takes when the former one ends.

    Attributes
    ----------
    process : WorkerHandle or None
        The present worker.
    job : Job or None
        The job that it works on.
    started : bool
        Whether it has reported that it is ready.
    leaving : bool
        Whether it has been told to end, or killed: it gets no more jobs.
    done : int
        Jobs that it has done.
    failed_starts : int
        Processes in a row that ended before they were ready.
    reason : str
        Why the last one was lost; empty once the next is ready.
    """

    def __init__(self) -> None:
        self.failed_starts = 0
        self.reason = ""
        self.vacate()

    def vacate(self) -> None:
        """Forget the present process."""
        self.process: WorkerHandle[P] | None = None
        self.job: Job[P, R] | None = None
        self.started = False
        self.leaving = False
        self.done = 0

    @property
    def idle(self) -> bool:
        """Whether it can take a job."""
        return self.started and not self.leaving and self.job is None


class WorkerPool(Generic[P, R]):
    """Computes results on workers; the module describes what happens on failures.

    Parameters
    ----------
    factory : WorkFactory
        Makes the work function in each worker.
    limits : PoolLimits
        Sizes and deadlines.
    on_result : callable
        Called in the event loop with the key, payload and result of every finished job, before its
        waiters get the result, and also if there are no waiters any more.
    on_concluded : callable
        Called in the event loop with the outcome or error of every job, and of every refusal.
    start_worker : StartWorker, default=WorkerProcess
        Starts a worker, by default as a process of this machine.
    """

    def __init__(
        self,
        factory: WorkFactory[P, R],
        limits: PoolLimits,
        *,
        on_result: Callable[[str, P, R], None] = lambda _key, _payload, _result: None,
        on_concluded: Callable[[Outcome[R] | AcornError], None] = lambda _: None,
        start_worker: StartWorker = WorkerProcess,
    ) -> None:
        self._factory = factory
        self._start_worker = start_worker
        self._limits = limits
        self._on_result = on_result
        self._on_concluded = on_concluded
        self._slots = [_Slot[P, R]() for _ in range(limits.workers)]
        self._queue = JobQueue[P, R](
            size=limits.queue_size,
            waiting_seconds=limits.waiting_seconds,
            on_concluded=on_concluded,
        )
        self._quarantine = Quarantine()
        # Sending a payload larger than the pipe blocks until the worker reads it.
        self._senders = ThreadPoolExecutor(limits.workers, thread_name_prefix="acorn-sender")
        self._stopping = False
        self._all_gone = asyncio.Event()
        self._restarts = 0

    @property
    def state(self) -> WorkersState:
        """Numbers of workers and jobs."""
        return WorkersState(
            wanted=len(self._slots),
            ready=sum(slot.started and not slot.leaving for slot in self._slots),
            restarts=self._restarts,
            waiting=len(self._queue),
            computing=sum(slot.job is not None for slot in self._slots),
        )

    @property
    def quarantined(self) -> int:
        """Number of keys in quarantine."""
        return len(self._quarantine)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        processes = [slot.process for slot in self._slots if slot.process is not None]
        return [process.pid for process in processes if process.pid is not None]

    @property
    def reason(self) -> str:
        """Why a missing worker could not start or was lost; empty if none is missing."""
        return next((slot.reason for slot in self._slots if slot.reason), "")

    def use(self, factory: WorkFactory[P, R]) -> None:
        """Use another factory in the workers that start from now on."""
        self._factory = factory

    def start(self) -> None:
        """Start the workers; they report later that they are ready."""
        for slot in self._slots:
            self._spawn(slot)

    async def compute(
        self, items: Mapping[str, P], *, background: bool = False
    ) -> dict[str, Outcome[R] | AcornError]:
        """Apply the work function to several payloads.

        Parameters
        ----------
        items : mapping of str to payload
            Payloads by key.
        background : bool, default=False
            Whether the work runs only while nothing else waits; the size of the queue does not
            limit it then.

        Returns
        -------
        dict of str to Outcome or AcornError
            An error takes the place of a result that cannot be computed.

        Raises
        ------
        QueueFullError, TooMuchWorkError
            If the queue has no room for all new jobs, now or ever.
        UnavailableError
            If the pool is stopping, or no worker can be started.
        """
        held: dict[str, Outcome[R] | AcornError] = {
            key: QuarantinedError(f"it is not tried again for now: {reason}")
            for key in items
            if (reason := self._quarantine.reason(key)) is not None
        }
        for refusal in held.values():
            self._on_concluded(refusal)
        new = [key for key in items if key not in self._queue and key not in held]
        try:
            self._admit(len(new), background=background)
        except AcornError as error:
            self._on_concluded(error)
            raise
        for key in new:
            self._queue.put(key, items[key], background=background)
        jobs = [self._queue[key] for key in items if key not in held]
        for job in jobs:
            job.waiters += 1
            if not background:
                self._queue.promote(job)
        self._dispatch()
        try:
            if jobs:
                await asyncio.wait([job.future for job in jobs])
        finally:
            for job in jobs:
                self._queue.release(job)
        return held | {job.key: job.future.result() for job in jobs}

    async def stop(self, *, seconds: float = 5.0) -> None:
        """Stop idle workers, kill busy ones, and wait for the end of all.

        Parameters
        ----------
        seconds : float, default=5.0
            Time for idle workers to end; then they are killed, too.
        """
        self._stopping = True
        self._queue.empty(UnavailableError("the server is stopping", retry_after=1))
        for slot in self._slots:
            slot.set_timer(None)
            if slot.idle:
                self._dismiss(slot)
            else:
                self._kill(slot)
        self._note_gone()
        try:
            await asyncio.wait_for(self._all_gone.wait(), seconds)
        except TimeoutError:
            for slot in self._slots:
                self._kill(slot)
            await self._all_gone.wait()
        self._senders.shutdown()

    def _admit(self, n: int, *, background: bool) -> None:
        if self._stopping:
            raise UnavailableError("the server is stopping", retry_after=1)
        if n and all(slot.failed_starts >= FAILED_STARTS_TO_GIVE_UP for slot in self._slots):
            raise UnavailableError(self.reason, retry_after=int(LAST_BACKOFF_SECONDS))
        if background:
            return
        idle = sum(slot.idle for slot in self._slots)
        self._queue.admit(n, idle=idle, workers=len(self._slots))

    # Jobs to workers and back

    def _dispatch(self) -> None:
        for slot in self._slots:
            if slot.idle and slot.process is not None and (job := self._queue.take()) is not None:
                slot.job = job
                loop = asyncio.get_running_loop()
                job.set_timer(
                    loop.call_later(self._limits.computing_seconds, self._expire, slot, job)
                )
                self._senders.submit(
                    slot.process.send, Task(job.number, job.payload, job.request_id)
                )

    def _on_message(self, process: WorkerHandle[P], message: object) -> None:
        slot = self._slots[process.index]
        if slot.process is not process:
            return
        match message:
            case Started(pid):
                logger.info("worker %d (process %d) is ready", process.index, pid)
                slot.set_timer(None)
                slot.started, slot.failed_starts, slot.reason = True, 0, ""
            case NotStarted(reason):
                slot.reason = f"a worker could not start: {reason}"
            case Done(number, result, held) if slot.job and slot.job.number == number:
                self._on_done(slot.job, result)
                self._free(slot, held)
            case Failed(number, error, held) if slot.job and slot.job.number == number:
                self._on_failed(slot.job, error)
                self._free(slot, held)
            case _:
                logger.debug("worker %d sent %s out of turn", process.index, type(message))
        self._dispatch()

    def _on_done(self, job: Job[P, R], result: R) -> None:
        self._quarantine.clear(job.key)
        self._on_result(job.key, job.payload, result)
        seconds = time.monotonic() - job.started
        self._queue.conclude(job, Outcome(result, job.started - job.queued, seconds))

    def _on_failed(self, job: Job[P, R], error: Exception | str) -> None:
        if not isinstance(error, AcornError):
            logger.error("%s cannot be computed: %s", job.key, error, extra=_about(job))
            error = ComputationError(f"it cannot be computed: {error}")
        self._queue.conclude(job, error)

    def _free(self, slot: _Slot[P, R], held: int) -> None:
        slot.job = None
        slot.done += 1
        most = self._limits.recycle_bytes
        if most is not None and held > most:
            logger.info("a worker is replaced: it holds %d bytes after %d jobs", held, slot.done)
            self._dismiss(slot)
        elif slot.done >= self._limits.recycle_after:
            self._dismiss(slot)

    def _expire(self, slot: _Slot[P, R], job: Job[P, R]) -> None:
        detail = f"it took longer than {self._limits.computing_seconds:g} s to compute"
        logger.warning("%s: %s; its worker is replaced", job.key, detail, extra=_about(job))
        self._quarantine.strike(job.key, detail)
        slot.job = None
        self._queue.conclude(job, DeadlineError(detail))
        self._kill(slot)

    # Start and end of workers

    def _spawn(self, slot: _Slot[P, R]) -> None:
        slot.vacate()
        slot.process = self._start_worker(
            self._factory,
            self._slots.index(slot),
            on_message=self._on_message,
            on_gone=self._on_gone,
        )
        loop = asyncio.get_running_loop()
        slot.set_timer(loop.call_later(self._limits.starting_seconds, self._expire_start, slot))

    def _expire_start(self, slot: _Slot[P, R]) -> None:
        slot.reason = f"a worker did not start within {self._limits.starting_seconds:g} s"
        self._kill(slot)

    def _dismiss(self, slot: _Slot[P, R]) -> None:
        slot.leaving = True
        if slot.process is not None:
            self._senders.submit(slot.process.send, Stop())

    @staticmethod
    def _kill(slot: _Slot[P, R]) -> None:
        if slot.process is not None:
            slot.leaving = True
            slot.process.kill()

    def _on_gone(self, process: WorkerHandle[P]) -> None:
        slot = self._slots[process.index]
        if slot.process is not process:
            return
        job, had_started = slot.job, slot.started
        slot.set_timer(None)
        slot.vacate()
        if job is not None:
            self._after_death(job)
        if self._stopping:
            self._note_gone()
            return
        self._restarts += 1
        if had_started:
            self._spawn(slot)
        else:
            self._spawn_later(slot)
        self._dispatch()

    def _spawn_later(self, slot: _Slot[P, R]) -> None:
        slot.reason = slot.reason or "a worker died while it started"
        delay = min(FIRST_BACKOFF_SECONDS * 2**slot.failed_starts, LAST_BACKOFF_SECONDS)
        slot.failed_starts += 1
        logger.error("%s; the next start is in %g s", slot.reason, delay)
        slot.set_timer(asyncio.get_running_loop().call_later(delay, self._spawn, slot))

    def _after_death(self, job: Job[P, R]) -> None:
        if self._stopping:
            self._queue.conclude(job, UnavailableError("the server is stopping", retry_after=1))
        elif self._quarantine.strike(job.key, "worker processes died computing it"):
            logger.error("%s is quarantined: it ended a second worker", job.key, extra=_about(job))
            detail = "worker processes died computing it, also when it was tried again"
            self._queue.conclude(job, QuarantinedError(detail))
        else:
            logger.warning(
                "a worker died computing %s; it is tried once more", job.key, extra=_about(job)
            )
            self._queue.put_back(job)

    def _note_gone(self) -> None:
        if all(slot.process is None for slot in self._slots):
            self._all_gone.set()


def _about(job: Job[P, R]) -> dict[str, str]:
    """Extra fields of log records about a job, which are written outside of its request."""
    return {"request_id": job.request_id}
