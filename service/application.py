"""Everything that stands behind the HTTP layer, put together from the settings."""

import asyncio
import logging
from dataclasses import asdict
from typing import get_args

from acorn.errors import AcornError
from acorn.features.table import FeatureRow
from acorn.schemas.jobs import JobState
from acorn.schemas.prediction import (
    ForestInfo,
    Limits,
    Ready,
    Reload,
    SpaceInfo,
    SpaceList,
    WorkersState,
)
from acorn.spaces import SPACES
from service.errors import ReloadError, UnavailableError
from service.http.problem_details import problem_of
from service.jobs.service import JobService
from service.observability.metrics import Metrics
from service.prediction.isolated_process import start_isolated_process
from service.prediction.predictor import Predictor
from service.prediction.size_limits import SizeLimits
from service.prediction.space_map import SpaceMaps
from service.repository.model_repository import ModelRepository
from service.settings import Settings
from service.storage.cache import FeatureCache
from service.storage.database import Database
from service.storage.feature_store import FeatureStore
from service.workers import PoolLimits, StartWorker, WorkerPool, WorkerProcess, WorkFactory
from service.workers.feature_work import FeatureTask, FeatureWorkFactory

logger = logging.getLogger(__name__)

_COUNTING_SECONDS = 2.0  # whoever scrapes waits longer


class Application:
    """Forests, feature cache, worker processes and the predictor that joins them.

    Parameters
    ----------
    settings
        All settings.
    forests
        The bundles of the settings' folder.
    database
        Where computed features and jobs are kept; closed with the service.
    metrics
        Where it counts what happens.
    factory
        Makes the workers' function; by default the one that computes features.
    start_worker
        Starts a worker; by default as a process of this machine.
    """

    def __init__(
        self,
        settings: Settings,
        repository: ModelRepository,
        database: Database,
        metrics: Metrics,
        *,
        factory: WorkFactory[FeatureTask, FeatureRow] | None = None,
        start_worker: StartWorker = WorkerProcess,
    ) -> None:
        self.settings = settings
        self.repository = repository
        self.metrics = metrics
        self.is_draining = False
        self._computes_features = factory is None
        self._database = database
        self._cache = FeatureCache(FeatureStore(database))
        self.pool = WorkerPool[FeatureTask, FeatureRow](
            factory or self._feature_factory(),
            PoolLimits(
                workers=settings.workers,
                queue_size=settings.queue_size,
                waiting=settings.waiting_seconds,
                computing=settings.computing_seconds,
                starting=settings.starting_seconds,
                recycle_after=settings.recycle_after,
                recycle_bytes=settings.recycle_bytes,
            ),
            on_result=lambda _key, task, row: self._cache.remember(row, task.recipe),
            on_concluded=metrics.concluded,
            start_worker=start_worker,
        )
        self.predictor = Predictor(
            repository,
            self._cache,
            self.pool.compute,
            max_architectures=settings.max_architectures,
            max_explanations=settings.max_explanations,
            on_lookup=metrics.looked_up,
            sizes=SizeLimits(params=settings.max_params, flops=settings.max_flops),
            works_ahead=True,
        )
        self.jobs = JobService(
            database, self.predictor, self.pool.compute, settings, describe_error=problem_of
        )
        self.maps = SpaceMaps(repository)
        metrics.watch(self)

    def start(self) -> None:
        """Start the workers; table predictions are answered before they are ready."""
        self._apart = start_isolated_process()
        self.pool.start()
        self.jobs.start()

    async def stop(self) -> None:
        """End the workers, and finish writing what they computed."""
        await self.jobs.stop()
        await self.pool.stop()
        self.predictor.close()
        await asyncio.to_thread(self._apart.close)
        self._cache.close()

    async def reload(self) -> Reload:
        """Read the forests folder anew, in a thread; see :meth:`ModelRepository.reload`.

        Workers learn to warm up for new forests as they are replaced; those of today take seconds
        longer for the first network. Raises :class:`~service.errors.ReloadError` where the
        folder cannot be read, and all stays as it was.
        """
        try:
            result = await asyncio.to_thread(self.repository.reload)
        except (AcornError, OSError) as error:
            self.metrics.reloaded("failed")
            logger.error("the forests cannot be reloaded: %s", error)
            raise ReloadError(f"the forests cannot be reloaded: {error}") from error
        if self._computes_features:
            self.pool.use(self._feature_factory())
        self.metrics.reloaded("refused" if result.refused else "done")
        logger.info("reloaded forests; added %s, removed %s", result.added, result.removed)
        return result

    async def show_metrics(self, accept: str) -> tuple[bytes, str]:
        """Write the metrics; see :meth:`service.observability.metrics.Metrics.exposition`."""
        try:
            async with asyncio.timeout(_COUNTING_SECONDS):
                by_state = dict.fromkeys(get_args(JobState), 0) | await self.jobs.count()
        except (AcornError, TimeoutError):
            by_state = {}
        self.metrics.count_jobs(by_state)
        return self.metrics.exposition(accept)

    def ready(self) -> Ready:
        """Tell what the server can do.

        Raises :class:`~service.errors.UnavailableError` that says what is missing where it
        cannot answer for architectures that it has never seen, or is about to end.
        """
        if lacks := self._lacks():
            raise UnavailableError("; ".join(lacks), retry_after=1)
        return Ready(forests=[*self.repository.snapshot.newest], workers=self.workers)

    @property
    def is_ready(self) -> bool:
        """Whether :meth:`ready` raises nothing."""
        return not self._lacks()

    @property
    def workers(self) -> WorkersState:
        """Workers and what they have to do, counted."""
        return self.pool.state

    @property
    def quarantined(self) -> int:
        """Networks that are not tried again for a while."""
        return self.pool.quarantined

    @property
    def store_failures(self) -> int:
        """Transactions of features and jobs that failed."""
        return self._database.failures

    @property
    def forest_infos(self) -> list[ForestInfo]:
        """Forests in service."""
        return self.repository.snapshot.listing.forests

    @property
    def refused_forests(self) -> int:
        """Bundles that did not pass verification."""
        return len(self.repository.snapshot.refused)

    def _lacks(self) -> list[str]:
        """Say what keeps the server from answering for any architecture."""
        lacks = []
        if self.is_draining:
            lacks.append("the server is stopping")
        if not self.repository.snapshot.newest:
            lacks.append("no verified forest")
        if not self.pool.state.ready:
            lacks.append(
                f"no worker is ready{f' ({self.pool.reason})' if self.pool.reason else ''}"
            )
        return lacks

    def _feature_factory(self) -> FeatureWorkFactory:
        """Make workers that compute features, and warm up with the forests of today."""
        settings = self.settings
        return FeatureWorkFactory(
            device=settings.device,
            threads=settings.threads,
            log_level=settings.log_level,
            log_format=settings.log_format,
            warm=tuple(forest.example for forest in self.repository.snapshot),
        )

    def spaces(self) -> SpaceList:
        """List what can be asked for, and the limits."""
        return SpaceList(
            spaces=[
                SpaceInfo(
                    name=space.name,
                    description=space.description,
                    example=space.example,
                    datasets=list(space.datasets),
                    size=space.size,
                    forests=[
                        forest.name
                        for forest in self.repository.snapshot.newest.values()
                        if forest.covers(space.name)
                    ],
                    limits=None if space.limits is None else asdict(space.limits),
                )
                for space in SPACES.values()
            ],
            limits=Limits(**self.settings.model_dump(include=set(Limits.model_fields))),
        )
