"""Compute features in the present process, for commands without a server."""

import asyncio
import time
from collections.abc import Callable, Mapping

from acorn.errors import AcornError
from acorn.features.feature_table import FeatureRow
from service.errors import ComputationError
from service.workers import Outcome
from service.workers.feature_work import FeatureTask, FeatureWorkFactory
from service.workers.worker import describe


class InProcessCompute:
    """Calls the work function of the workers, one network at a time.

    Parameters
    ----------
    factory : FeatureWorkFactory
        Makes the work function, for the first network.
    on_result : callable
        Called with the key, task and row of each network.
    on_progress : callable
        Called with the number of networks that are done, and of all.
    """

    def __init__(
        self,
        factory: FeatureWorkFactory,
        *,
        on_result: Callable[[str, FeatureTask, FeatureRow], None],
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._factory = factory
        self._on_result = on_result
        self._on_progress = on_progress
        self._work: Callable[[FeatureTask], FeatureRow] | None = None

    async def __call__(
        self, tasks: Mapping[str, FeatureTask]
    ) -> dict[str, Outcome[FeatureRow] | AcornError]:
        """Compute all features.

        Parameters
        ----------
        tasks : mapping of str to FeatureTask
            By key.

        Returns
        -------
        dict of str to Outcome or AcornError
            Results or errors, by key.
        """
        results: dict[str, Outcome[FeatureRow] | AcornError] = {}
        for done, (key, task) in enumerate(tasks.items()):
            self._on_progress(done, len(tasks))
            start = time.monotonic()
            try:
                row = await asyncio.to_thread(self._compute, task)
            except AcornError as error:
                results[key] = error
            except Exception as error:
                results[key] = ComputationError(f"it cannot be computed: {describe(error)}")
            else:
                self._on_result(key, task, row)
                results[key] = Outcome(row, 0.0, time.monotonic() - start)
        self._on_progress(len(tasks), len(tasks))
        return results

    def _compute(self, task: FeatureTask) -> FeatureRow:
        if self._work is None:
            self._work = self._factory(0)
        return self._work(task)
