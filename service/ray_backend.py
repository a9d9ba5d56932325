"""``acorn serve --backend ray``: the app as replicas of Ray Serve, their workers as Ray actors.

Each replica has a pool of workers of its own, which run wherever the cluster has room; what they
compute and the jobs that they share are in the database. Ray Serve takes the requests on every
machine that has a replica, replaces replicas that die, and lets those that end finish what they
have.
"""

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from acorn.errors import AcornError, InputError
from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from acorn.features.table import FeatureRow
    from service.workers import WorkFactory
    from service.workers.feature_work import FeatureTask

logger = logging.getLogger(__name__)

NAME = "acorn"
"""Of the Ray Serve application, and of its one deployment."""

HERE = "auto"
"""Ray's word for the cluster that runs on this machine."""

_ONGOING = 10_000  # more than may ever wait: how many may is for the server itself to say


class ClusterError(AcornError):
    """A Ray cluster that cannot be reached, or on which the server cannot start."""


def serve_on_ray(
    settings: Settings, *, factory: "WorkFactory[FeatureTask, FeatureRow] | None" = None
) -> None:
    """Serve on a Ray cluster until a signal ends it; what is accepted by then is answered.

    Parameters
    ----------
    settings
        All settings.
    factory
        Makes the workers' function; by default the one that computes features.

    Raises
    ------
    InputError
        If Ray is not installed.
    ClusterError
        If the cluster cannot be reached, or a replica cannot start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody else need know who serves what
    try:
        import ray
        from ray import serve
    except ImportError:
        raise InputError(
            "setting backend: got ray without Ray Serve; expected acorn-nas[ray] installed"
        ) from None
    _join(ray, settings)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # which Ray has just taken
        signal.signal(number, lambda _number, _frame: ended.set())
    try:
        _warn_of_separate_stores(ray, settings)
        # Also where no replica is, so that a load balancer may ask any machine of the cluster.
        serve.start(
            proxy_location="EveryNode",
            http_options={"host": settings.host, "port": settings.port},
        )
        deployment = serve.deployment(
            name=NAME,
            num_replicas=settings.replicas,
            max_ongoing_requests=_ONGOING,
            graceful_shutdown_timeout_s=settings.shutdown_seconds,
        )
        app = deployment(serve.ingress(_builder(settings, factory, _gpus(ray, settings)))())
        try:
            serve.run(app.bind(), name=NAME)
        except RuntimeError as error:
            raise ClusterError(f"the server cannot start on the cluster: {error}") from error
        logger.info("serving on http://%s:%d", settings.host, settings.port)
        ended.wait()
        serve.delete(NAME)
    finally:
        ray.shutdown()


def _join(ray: Any, settings: Settings) -> None:
    """Connect to a cluster, or make one of this machine where none is named and none runs."""
    address = settings.ray_address or os.environ.get("RAY_ADDRESS") or HERE
    try:
        ray.init(address=address, log_to_driver=True)
    except ConnectionError as error:
        if address != HERE:
            raise ClusterError(f"cannot reach the Ray cluster at {address}: {error}") from error
        needed = settings.replicas * (1 + settings.workers * settings.threads)
        ray.init(num_cpus=max(needed, os.cpu_count() or 1), include_dashboard=False)


def _gpus(ray: Any, settings: Settings) -> float:
    """CUDA devices of each worker; auto takes them where there are enough for all."""
    enough = ray.cluster_resources().get("GPU", 0) >= settings.replicas * settings.workers
    return float(settings.device == "cuda" or (settings.device == "auto" and enough))


def _warn_of_separate_stores(ray: Any, settings: Settings) -> None:
    machines = sum(node["Alive"] for node in ray.nodes())
    if machines > 1 and settings.store_url.startswith("sqlite"):
        logger.warning(
            "got a cluster of %d machines and SQLite, of which each machine has its own: "
            "jobs are found only where they were sent to; expected a PostgreSQL database_url",
            machines,
        )


def _builder(
    settings: Settings, factory: "WorkFactory[FeatureTask, FeatureRow] | None", gpus: float
) -> Any:
    def build() -> "FastAPI":
        """Make the app, in each replica."""
        from service.http.app import create_app
        from service.observability.logs import configure_logging
        from service.workers.ray_worker import RayWorkers

        configure_logging(settings.log_level, settings.log_format)
        workers = RayWorkers(cpus=settings.threads, gpus=gpus)
        return create_app(settings, factory=factory, start_worker=workers)

    return build
