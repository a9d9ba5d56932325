"""Computing features for jobs: as much at a time as keeps the workers busy, and never for nothing.

Whatever is refused for now is asked for again, since nobody waits for an answer who could do so.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Protocol

from acorn.errors import AcornError
from acorn.features.table import FeatureRow
from service.errors import QueueFullError, UnavailableError
from service.workers import Outcome
from service.workers.feature_work import FeatureTask

AT_ONCE_PER_WORKER = 2
"""One that is computed, and one that waits in order that no worker does."""

LONGEST_PAUSE_SECONDS = 30

Found = Outcome[FeatureRow] | AcornError


class PoolCompute(Protocol):
    """Computes on worker processes; :meth:`service.workers.WorkerPool.compute` is one."""

    def __call__(  # noqa: D102
        self, items: Mapping[str, FeatureTask], *, background: bool
    ) -> Awaitable[dict[str, Found]]: ...


class BackgroundCompute:
    """Computes the features of several functions behind all other work.

    Parameters
    ----------
    compute
        The worker processes.
    workers
        How many there are.
    """

    def __init__(self, compute: PoolCompute, *, workers: int) -> None:
        self._compute = compute
        self._room = asyncio.Semaphore(AT_ONCE_PER_WORKER * workers)

    async def __call__(self, tasks: Mapping[str, FeatureTask]) -> dict[str, Found]:
        """Compute all; an error stands in the place of what cannot be computed at all."""
        async with asyncio.TaskGroup() as group:
            started = {
                key: group.create_task(self._compute_one(key, task)) for key, task in tasks.items()
            }
        return {key: each.result() for key, each in started.items()}

    async def _compute_one(self, key: str, task: FeatureTask) -> Found:
        while True:
            async with self._room:
                found: Found
                try:
                    found = (await self._compute({key: task}, background=True))[key]
                except (QueueFullError, UnavailableError) as error:
                    found = error
            if not isinstance(found, QueueFullError | UnavailableError):
                return found
            await asyncio.sleep(min(found.retry_after or 1, LONGEST_PAUSE_SECONDS))
