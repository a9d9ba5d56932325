"""Run jobs: this server computes parts of them while no request needs it."""

import asyncio
import json
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from acorn.errors import AcornError, InputError
from acorn.schemas.jobs import ResultLine
from acorn.schemas.prediction import ForestName, Prediction, ProxyProvenance
from acorn.schemas.problems import Problem
from acorn.schemas.proxies import ProxyResult
from service.errors import InvalidRequestError, UnavailableError
from service.jobs.search import next_candidates, predict_options
from service.jobs.store import JobStore, Part
from service.observability.logs import request_id
from service.prediction.feature_path import Compute
from service.prediction.predictor import Predictor
from service.settings import Settings
from service.storage.database import DatabaseError

logger = logging.getLogger(__name__)

T = TypeVar("T")
Answers: TypeAlias = Sequence[Prediction | ProxyResult | AcornError]
Origin: TypeAlias = ForestName | ProxyProvenance
"""The forest that predicts, or what proxies are computed with."""

SLOTS = 2
"""Parts at a time: while the last networks of one are computed, the next is under way."""

POLL_SECONDS = 1.0
"""How often an idle server looks for jobs that were sent to another server."""

PAUSE_SECONDS = 5.0
"""How long to wait for a database or forest that is unavailable."""

CLEAN_SECONDS = 600.0
DAY = 86_400.0  # seconds
REST = 0.5
"""Rest after a part, as a share of the time that it took: requests need the processor too."""

LONGEST_REST_SECONDS = 1.0


class JobRunner:
    """Claims parts of jobs from the store, one after the other, and writes their results.

    Parameters
    ----------
    store : JobStore
        Keeps the jobs.
    predictor : Predictor
        Predicts the architectures of a part.
    compute : Compute
        Computes features.
    settings : Settings
        Lease and retention of jobs.
    describe_error : callable
        Describes an error for the client.
    """

    def __init__(
        self,
        store: JobStore,
        predictor: Predictor,
        compute: Compute,
        settings: Settings,
        describe_error: Callable[[Exception], Problem],
    ) -> None:
        self._store = store
        self._predictor = predictor
        self._compute = compute
        self._describe_error = describe_error
        self._lease_seconds = settings.job_lease_seconds
        self._retention_seconds = settings.job_retention_days * DAY
        self._owner = f"{socket.gethostname()[:64]}:{os.getpid()}:{uuid.uuid4().hex[:16]}"
        self._threads = ThreadPoolExecutor(SLOTS + 1, thread_name_prefix="acorn-runner")
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._new = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to run jobs."""
        loops = [self._work] * SLOTS + [self._keep_leases, self._clean]
        self._tasks = [asyncio.create_task(loop()) for loop in loops]

    async def stop(self) -> None:
        """Stop, and release unfinished parts to other servers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)  # which completes a claim in progress
        try:
            await asyncio.to_thread(self._store.release, self._owner)
        except DatabaseError as error:
            logger.warning("cannot release the parts of jobs: %s", error.reason)

    def wake(self) -> None:
        """Look for work at once."""
        self._new.set()

    def drop(self, job: str) -> None:
        """Stop running a job."""
        for key, task in self._running.items():
            if key[0] == job:
                task.cancel()

    async def _work(self) -> None:
        while True:
            part = await self._retry(self._store.claim, self._owner, self._lease_seconds)
            if part is None:
                await self._wait_for_jobs()
            else:
                await self._do(part)

    async def _wait_for_jobs(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._new.wait()
            self._new.clear()

    async def _do(self, part: Part) -> None:
        task = asyncio.create_task(self._answer(part))
        self._running[part.key] = task
        try:
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.error("a part of job %s failed; it is released", part.job, exc_info=error)
                await asyncio.sleep(PAUSE_SECONDS)
                await self._retry(self._store.release, self._owner, part)
        finally:
            task.cancel()
            del self._running[part.key]

    async def _answer(self, part: Part) -> None:
        request_id.set(part.job)
        start = time.monotonic()
        try:
            origin, answers = await self._answer_all(part)
        except UnavailableError as error:
            logger.warning("job %s has to wait: %s", part.job, error)
            await asyncio.sleep(error.retry_after or PAUSE_SECONDS)
            await self._retry(self._store.release, self._owner, part)
            return
        except InvalidRequestError as error:
            detail = "; ".join(item.detail for item in error.errors[:3])
            logger.error("job %s cannot go on: %s", part.job, detail)
            await self._retry(self._store.fail, part.job, self._describe_error(error))
            return
        written = await self._retry(self._write, part, origin, answers)
        if not written:
            logger.info(
                "the results from %d on of job %s are no longer wanted", part.first, part.job
            )
        await asyncio.sleep(min(REST * (time.monotonic() - start), LONGEST_REST_SECONDS))

    async def _answer_all(self, part: Part) -> tuple[Origin, Answers]:
        """Answer a part at once, or one by one if that fails with an unforeseen error."""
        try:
            return await self._answer_some(part, part.items)
        except (InvalidRequestError, UnavailableError):
            raise
        except Exception:
            logger.exception(
                "a part of job %s failed; its architectures are tried one by one", part.job
            )
        origin: Origin = ForestName(name=part.options.get("forest") or "", version="")
        answers: list[Prediction | ProxyResult | AcornError] = []
        for item in part.items:
            try:
                origin, (answer,) = await self._answer_some(part, [item])
            except (InvalidRequestError, UnavailableError):
                raise
            except Exception as error:
                answer = error if isinstance(error, AcornError) else AcornError("the server failed")
            answers.append(answer)
        return origin, answers

    async def _answer_some(self, part: Part, items: list[dict[str, Any]]) -> tuple[Origin, Answers]:
        document = part.options | {"architectures": items}
        kind = document.pop("kind", "predictions")  # older jobs have none
        if kind == "search":
            document = predict_options(part.options) | {"architectures": items}
        if kind == "proxies":
            return await self._predictor.proxies.compute_each(document, compute=self._compute)
        return await self._predictor.predict_each(document, compute=self._compute)

    def _write(self, part: Part, origin: Origin, answers: Answers) -> bool:
        is_search = part.options.get("kind") == "search"
        lines = {
            part.first + place: self._line(
                part.first + place, origin, answer, part.items[place] if is_search else None
            )
            for place, answer in enumerate(answers)
        }
        done = sum(not isinstance(answer, AcornError) for answer in answers)
        following = self._following(part, lines) if "evolution" in part.options else None
        return self._store.finish(
            part, self._owner, lines, done=done, failed=len(answers) - done, following=following
        )

    def _following(self, part: Part, lines: Mapping[int, str]) -> str:
        """Choose the next generation of a search; an empty text ends it."""
        former = self._store.lines(part.job, 0, part.first, most=part.first)
        try:
            specs = next_candidates(part.options, [line for _, line in former] + [*lines.values()])
        except InputError as error:  # such as no mutation of an architecture
            logger.warning("the search %s ends: %s", part.job, error)
            specs = []
        return json.dumps(specs, separators=(",", ":")) if specs else ""

    def _line(
        self,
        index: int,
        origin: Origin,
        answer: Prediction | ProxyResult | AcornError,
        spec: Mapping[str, Any] | None,
    ) -> str:
        name = "forest" if isinstance(origin, ForestName) else "settings"
        fields: dict[str, Any] = {"index": index, name: origin}
        if isinstance(answer, AcornError):
            fields["error"] = self._describe_error(answer)
            if spec is not None:  # the client does not know what a search tries
                fields["architecture"] = spec
        else:
            fields["prediction" if isinstance(answer, Prediction) else "result"] = answer
        return ResultLine(**fields).model_dump_json(include={*fields})

    async def _retry(self, function: Callable[..., T], *args: object) -> T:
        """Use the store in a thread, again and again until the database answers."""
        while True:
            try:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, function, *args)
            except DatabaseError as error:
                logger.warning("cannot %s jobs: %s", function.__name__.strip("_"), error.reason)
                await asyncio.sleep(min(PAUSE_SECONDS, self._lease_seconds / 3))

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            if running := {**self._running}:
                wanted_keys = await self._retry(self._store.renew, self._owner, self._lease_seconds)
                for key in running.keys() - wanted_keys:
                    running[key].cancel()

    async def _clean(self) -> None:
        while True:
            while n := await self._retry(self._store.clean, self._retention_seconds):
                logger.info("deleted %d old jobs", n)
            await asyncio.sleep(CLEAN_SECONDS)
