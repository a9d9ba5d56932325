"""Compute the features of jobs on the worker pool while no request needs it.

Only a few networks per worker are sent at a time. Networks that the pool refuses for now are sent
again later, since no client waits for them.
"""

import asyncio
from collections.abc import Mapping
from typing import TypeAlias

from acorn.errors import AcornError
from acorn.features.feature_table import FeatureRow
from service.errors import QueueFullError, UnavailableError
from service.prediction.feature_path import Compute
from service.workers import Outcome, WorkerPool
from service.workers.feature_work import FeatureTask

SENT_PER_WORKER = 2
"""Networks at a time: one is computed, and one waits so that the worker is never idle."""

LONGEST_PAUSE_SECONDS = 30

Result: TypeAlias = Outcome[FeatureRow] | AcornError


def compute_in_background(pool: WorkerPool[FeatureTask, FeatureRow]) -> Compute:
    """Make a compute function that takes no worker from requests.

    Parameters
    ----------
    pool : WorkerPool
        Computes features.

    Returns
    -------
    Compute
        Computes the features of several architectures; an error takes the place of what cannot be
        computed at all.
    """
    room = asyncio.Semaphore(SENT_PER_WORKER * pool.state.wanted)

    async def compute_one(key: str, task: FeatureTask) -> Result:
        while True:
            result: Result
            async with room:
                try:
                    result = (await pool.compute({key: task}, background=True))[key]
                except (QueueFullError, UnavailableError) as error:
                    result = error
            if not isinstance(result, QueueFullError | UnavailableError):
                return result
            await asyncio.sleep(min(result.retry_after or 1, LONGEST_PAUSE_SECONDS))

    async def compute(tasks: Mapping[str, FeatureTask]) -> dict[str, Result]:
        async with asyncio.TaskGroup() as group:
            started = {
                key: group.create_task(compute_one(key, task)) for key, task in tasks.items()
            }
        return {key: computation.result() for key, computation in started.items()}

    return compute
