"""The application behind the HTTP layer, made from the settings."""

import asyncio
import logging
from dataclasses import asdict
from typing import get_args

from prometheus_client.metrics_core import Metric

from acorn.errors import AcornError
from acorn.features.feature_table import FeatureRow
from acorn.schemas.jobs import JobState
from acorn.schemas.prediction import Limits, Ready, Reload, SpaceInfo, SpaceList
from acorn.spaces import SPACES
from service.errors import ReloadError, UnavailableError
from service.http.problem_details import problem_of
from service.jobs.service import JobService
from service.observability.metrics import Metrics, ServerState, exposition
from service.prediction.feature_path import SizeLimits
from service.prediction.isolated_process import start_isolated_process
from service.prediction.predictor import Predictor
from service.prediction.space_map import SpaceMaps
from service.replicas import Replicas, join_reloads, label_metrics
from service.repository.model_repository import ModelRepository
from service.settings import Settings
from service.storage.cache import FeatureCache
from service.storage.database import Database
from service.storage.feature_store import FeatureStore
from service.workers import PoolLimits, StartWorker, WorkerPool, WorkerProcess, WorkFactory
from service.workers.feature_work import FeatureTask, FeatureWorkFactory

logger = logging.getLogger(__name__)

_COUNTING_SECONDS = 2.0  # less than the time limit of a scrape


class Application:
    """The model repository, feature cache, worker pool, predictor and job service.

    Parameters
    ----------
    settings : Settings
        All settings.
    repository : ModelRepository
        The bundles of the settings' folder.
    database : Database
        Stores computed features and jobs; closed with the application.
    metrics : Metrics
        Counts events.
    factory : WorkFactory, default=None
        Makes the work function of the workers; None computes features.
    start_worker : StartWorker, default=WorkerProcess
        Starts a worker, by default as a process of this machine.
    replicas : Replicas, default=None
        All replicas of the server; None if there is only this one.
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
        replicas: Replicas | None = None,
    ) -> None:
        self.settings = settings
        self.repository = repository
        self.metrics = metrics
        self.is_draining = False
        self._computes_features = factory is None
        self._database = database
        self._replicas = replicas
        self._cache = FeatureCache(FeatureStore(database))
        self.pool = WorkerPool[FeatureTask, FeatureRow](
            factory or self._feature_factory(),
            PoolLimits.model_validate(settings),
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
            precompute=True,
            device=settings.device,
        )
        self.jobs = JobService(
            database, self.predictor, self.pool, settings, describe_error=problem_of
        )
        self.maps = SpaceMaps(repository)
        metrics.watch(self._state)

    def start(self) -> None:
        """Start the workers; table predictions are answered before they are ready."""
        self._isolated = start_isolated_process()
        self.pool.start()
        self.jobs.start()

    async def stop(self) -> None:
        """Stop the workers, and write their last results."""
        await self.jobs.stop()
        await self.pool.stop()
        self.predictor.close()
        await asyncio.to_thread(self._isolated.close)
        self._cache.close()

    async def reload(self) -> Reload:
        """Read the forests folder again, in this replica; see :meth:`ModelRepository.reload`.

        New workers warm up for new forests; present workers need seconds more for the first
        network of a new forest.

        Returns
        -------
        Reload

        Raises
        ------
        ReloadError
            If the folder cannot be read; the former forests stay in service.
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

    async def reload_all(self) -> Reload:
        """Read the forests folder again in every replica; see :meth:`reload`."""
        if self._replicas is None:
            return await self.reload()
        return join_reloads(await self._replicas.reload())

    async def show_metrics(self, accept: str) -> tuple[bytes, str]:
        """Write the metrics of all replicas.

        Parameters
        ----------
        accept : str
            Value of the header ``Accept``, which chooses the format.

        Returns
        -------
        content : bytes
        media_type : str
        """
        if self._replicas is None:
            return exposition(await self.read_metrics(), accept)
        by_replica = dict(await self._replicas.read_metrics())
        own = self._replicas.own_name
        if own not in by_replica:
            by_replica[own] = await self.read_metrics()
        return exposition(label_metrics(by_replica), accept)

    async def read_metrics(self) -> list[Metric]:
        """Read the metrics of this replica."""
        try:
            async with asyncio.timeout(_COUNTING_SECONDS):
                by_state = dict.fromkeys(get_args(JobState), 0) | await self.jobs.count()
        except (AcornError, TimeoutError):
            by_state = {}
        self.metrics.count_jobs(by_state)
        return [*self.metrics.registry.collect()]

    def ready(self) -> Ready:
        """Report readiness.

        Returns
        -------
        Ready

        Raises
        ------
        UnavailableError
            If the server cannot predict new architectures, or is stopping; says what is missing.
        """
        if obstacles := self._obstacles():
            raise UnavailableError("; ".join(obstacles), retry_after=1)
        return Ready(forests=[*self.repository.snapshot.newest], workers=self.pool.state)

    def _obstacles(self) -> list[str]:
        """List the reasons why the server cannot predict new architectures."""
        obstacles = []
        if self.is_draining:
            obstacles.append("the server is stopping")
        if not self.repository.snapshot.newest:
            obstacles.append("no verified forest")
        if not self.pool.state.ready:
            reason = f" ({self.pool.reason})" if self.pool.reason else ""
            obstacles.append(f"no worker is ready{reason}")
        return obstacles

    def _state(self) -> ServerState:
        listing = self.repository.snapshot.listing
        return ServerState(
            is_ready=not self._obstacles(),
            workers=self.pool.state,
            quarantined=self.pool.quarantined,
            store_failures=self._database.failures,
            forests=listing.forests,
            refused_forests=len(listing.refused),
        )

    def _feature_factory(self) -> FeatureWorkFactory:
        """Make workers that compute features, and warm up with the present forests."""
        settings = self.settings
        return FeatureWorkFactory(
            device=settings.device,
            threads=settings.threads,
            log_level=settings.log_level,
            log_format=settings.log_format,
            warm=tuple(forest.example for forest in self.repository.snapshot),
        )

    def spaces(self) -> SpaceList:
        """List the spaces, and the limits of requests."""
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
            limits=Limits.model_validate(self.settings, from_attributes=True),
        )
