"""``acorn serve --backend ray``: replicas on Ray Serve, with their workers as Ray actors.

Each replica has its own pool of workers, which run on any machine of the cluster that has room.
Features and jobs are shared through the database. Ray Serve accepts requests on every machine,
replaces replicas that die, and lets replicas that stop finish their requests. Metrics and reloads
are asked of all replicas.
"""

import logging
import os
import queue
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from acorn.errors import AcornError, InputError
from acorn.schemas.prediction import Reload
from service.errors import ReloadError
from service.replicas import join_reloads
from service.settings import Settings, load_settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from prometheus_client.metrics_core import Metric

    from acorn.features.feature_table import FeatureRow
    from service.workers import WorkFactory
    from service.workers.feature_work import FeatureTask

logger = logging.getLogger(__name__)

NAME = "acorn"
"""Name of the Ray Serve application and of its deployment."""

HERE = "auto"
"""Ray's address of the cluster that runs on this machine."""

_ONGOING = 10_000  # more than may ever wait: the server itself limits its queue
_METRICS_SECONDS = 4.0  # less than the time limit of a scrape, more than each replica takes
_RELOAD_SECONDS = 120.0  # Ray notices within half of it that a machine is gone


class ClusterError(AcornError):
    """The Ray cluster cannot be reached, or the server cannot start on it."""


def serve_on_ray(
    settings: Settings, *, factory: "WorkFactory[FeatureTask, FeatureRow] | None" = None
) -> None:
    """Serve on a Ray cluster until a signal ends it; accepted requests are answered first.

    SIGHUP reloads the forests of all replicas.

    Parameters
    ----------
    settings : Settings
        All settings.
    factory : WorkFactory, default=None
        Makes the work function of the workers; None computes features.

    Raises
    ------
    InputError
        If Ray is not installed.
    ClusterError
        If the cluster cannot be reached, or a replica cannot start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # send no statistics to Ray's makers
    try:
        import ray
        from ray import serve
    except ImportError:
        raise InputError(
            "setting backend: got ray without Ray Serve; expected acorn-nas[ray] installed"
        ) from None
    _join(ray, settings)
    signals = queue.SimpleQueue[int]()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # ray.init() replaces handlers
        signal.signal(number, lambda number, _frame: signals.put(number))
    try:
        _warn_of_separate_stores(ray, settings)
        # Every node listens, so that a load balancer may use any machine of the cluster.
        serve.start(
            proxy_location="EveryNode",
            http_options={"host": settings.host, "port": settings.port},
        )
        try:
            handle = serve.run(_bind(settings, factory), name=NAME)
        except RuntimeError as error:
            raise ClusterError(f"the server cannot start on the cluster: {error}") from error
        logger.info("serving on http://%s:%d", settings.host, settings.port)
        while signals.get() == signal.SIGHUP:
            _reload(handle)
        serve.delete(NAME)
    finally:
        ray.shutdown()


def _join(ray: Any, settings: Settings) -> None:
    """Connect to a cluster; start one on this machine if none is named and none runs."""
    address = settings.ray_address or os.environ.get("RAY_ADDRESS") or HERE
    try:
        ray.init(address=address, log_to_driver=True)
    except ConnectionError as error:
        if address != HERE:
            raise ClusterError(f"cannot reach the Ray cluster at {address}: {error}") from error
        needed = settings.replicas * (1 + settings.workers * settings.threads)
        ray.init(num_cpus=max(needed, os.cpu_count() or 1), include_dashboard=False)


def _gpus(ray: Any, settings: Settings) -> float:
    """Count the CUDA devices of each worker; auto uses them if there are enough for all."""
    enough = ray.cluster_resources().get("GPU", 0) >= settings.replicas * settings.workers
    return float(settings.device == "cuda" or (settings.device == "auto" and enough))


def _warn_of_separate_stores(ray: Any, settings: Settings) -> None:
    machines = sum(node["Alive"] for node in ray.nodes())
    if machines > 1 and settings.store_url.startswith("sqlite"):
        logger.warning(
            "got a cluster of %d machines and SQLite, which machines cannot share: a job is known "
            "only to the machine that got it; expected a PostgreSQL database_url",
            machines,
        )


def _reload(handle: Any) -> None:
    """Reload the forests of all replicas, and log the result."""
    answers = handle.broadcast("reload").results(timeout_s=_RELOAD_SECONDS, return_exceptions=True)
    try:
        result = join_reloads(answers)
    except ReloadError as error:
        logger.error("%s", error)
    else:
        logger.info("%d replicas reloaded forests; added %s", result.replicas, result.added)


def build(options: Mapping[str, object]) -> Any:
    """Build the Ray Serve application, for ``serve run service.ray_backend:build``.

    Parameters
    ----------
    options : mapping of str to object
        Settings by name; the others come from the environment and the configuration file.

    Returns
    -------
    ray.serve.Application

    Raises
    ------
    InputError
        Names the first invalid setting.
    """
    return _bind(load_settings(**options), None)


def _bind(settings: Settings, factory: "WorkFactory[FeatureTask, FeatureRow] | None") -> Any:
    import ray
    from ray import serve

    deployment = serve.deployment(
        name=NAME,
        num_replicas=settings.replicas,
        max_ongoing_requests=_ONGOING,
        graceful_shutdown_timeout_s=settings.shutdown_seconds,
    )
    return deployment(serve.ingress()(_Replica)).bind(settings, factory, _gpus(ray, settings))


class _Replica:
    """A replica: Ray Serve calls its application with requests, and other replicas its methods.

    Parameters
    ----------
    settings : Settings
        All settings.
    factory : WorkFactory or None
        Makes the work function of the workers; None computes features.
    gpus : float
        CUDA devices of each worker.
    """

    def __init__(
        self,
        settings: Settings,
        factory: "WorkFactory[FeatureTask, FeatureRow] | None",
        gpus: float,
    ) -> None:
        from service.http.app import create_app
        from service.observability.logs import configure_logging
        from service.workers.ray_worker import RayWorkers

        configure_logging(settings.log_level, settings.log_format)
        workers = RayWorkers(cpus=settings.threads, gpus=gpus)
        self._web = create_app(
            settings, factory=factory, start_worker=workers, replicas=_RayReplicas()
        )

    def __serve_build_asgi_app__(self) -> "FastAPI":
        """Return the application; Ray Serve runs its lifespan."""
        return self._web

    async def read_metrics(self) -> "tuple[str, list[Metric]]":
        """Read the metrics of this replica, with its name."""
        return _own_name(), await self._web.state.service.read_metrics()

    async def reload(self) -> Reload | ReloadError:
        """Reload the forests of this replica."""
        try:
            return await self._web.state.service.reload()
        except ReloadError as error:  # Ray would add its traceback
            return error


class _RayReplicas:
    """All replicas, as one of them sees them; :class:`~service.replicas.Replicas`."""

    def __init__(self) -> None:
        from ray import serve

        context = serve.get_replica_context()
        self.own_name = _own_name()
        self._handle = serve.get_deployment_handle(context.deployment, context.app_name)

    async def read_metrics(self) -> "Mapping[str, Sequence[Metric]]":
        """Read the metrics of all replicas; nothing if one does not answer in time."""
        answers = await self._ask("read_metrics", _METRICS_SECONDS)
        return dict(answer for answer in answers if not isinstance(answer, Exception))

    async def reload(self) -> Sequence[Reload | Exception]:
        """Reload the forests of all replicas."""
        return await self._ask("reload", _RELOAD_SECONDS)

    async def _ask(self, method: str, seconds: float) -> list[Any]:
        """Call a method of all replicas; an error takes the place of a result."""
        try:
            answers = self._handle.broadcast(method)
            results: list[Any] = await answers.results_async(
                timeout_s=seconds, return_exceptions=True
            )
        except Exception as error:  # Ray's have no common class
            logger.warning("not all replicas answer %s: %s", method, error)
            return [error]
        return results


def _own_name() -> str:
    from ray import serve

    name: str = serve.get_replica_context().replica_id.unique_id
    return name
