"""Everything that stands behind the HTTP layer, put together from the settings."""

from models.feature_table import FeatureRow
from models.spaces import SPACES
from service.cache import FeatureCache
from service.features import FeatureTask, FeatureWorkFactory
from service.forests import Forests
from service.predictor import Predictor
from service.problems import UnavailableError
from service.schemas import Limits, Ready, SpaceInfo, SpaceList
from service.settings import Settings
from service.store import FeatureStore
from service.workers import PoolLimits, WorkerPool, WorkFactory


class Service:
    """Forests, feature cache, worker processes and the predictor that joins them.

    Parameters
    ----------
    settings
        All settings.
    forests
        The bundles of the settings' folder.
    store
        Where computed features are kept; closed with the service.
    factory
        Makes the workers' function; by default the one that computes features.
    """

    def __init__(
        self,
        settings: Settings,
        forests: Forests,
        store: FeatureStore,
        *,
        factory: WorkFactory[FeatureTask, FeatureRow] | None = None,
    ) -> None:
        self.settings = settings
        self.forests = forests
        self._cache = FeatureCache(store)
        self.pool = WorkerPool[FeatureTask, FeatureRow](
            factory
            or FeatureWorkFactory(
                device=settings.device,
                threads=settings.threads,
                log_level=settings.log_level,
                warm=tuple(forest.example for forest in forests),
            ),
            PoolLimits(
                workers=settings.workers,
                queue_size=settings.queue_size,
                waiting=settings.waiting_seconds,
                computing=settings.computing_seconds,
                starting=settings.starting_seconds,
                recycle_after=settings.recycle_after,
            ),
            on_result=lambda _key, task, row: self._cache.remember(row, task.recipe),
        )
        self.predictor = Predictor(
            forests,
            self._cache,
            self.pool.compute,
            max_architectures=settings.max_architectures,
            max_explanations=settings.max_explanations,
        )

    def start(self) -> None:
        """Start the workers; table predictions are answered before they are ready."""
        self.pool.start()

    async def stop(self) -> None:
        """End the workers, and finish writing what they computed."""
        await self.pool.stop()
        self.predictor.close()
        self._cache.close()

    def ready(self) -> Ready:
        """Tell what the server can do.

        Raises :class:`~service.problems.UnavailableError` that says what is missing where it
        cannot answer for architectures that it has never seen.
        """
        workers = self.pool.state
        lacks = []
        if not self.forests:
            lacks.append("no verified forest")
        if not workers.ready:
            lacks.append(
                f"no worker is ready{f' ({self.pool.reason})' if self.pool.reason else ''}"
            )
        if lacks:
            raise UnavailableError("; ".join(lacks), retry_after=1)
        return Ready(forests=[forest.name for forest in self.forests], workers=workers)

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
                    forests=[forest.name for forest in self.forests if forest.covers(space.name)],
                )
                for space in SPACES.values()
            ],
            limits=Limits(**self.settings.model_dump(include=set(Limits.model_fields))),
        )
