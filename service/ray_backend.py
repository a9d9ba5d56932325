"""``acorn serve --backend ray``: replicas on Ray Serve, with their workers as Ray actors.

Each replica has its own pool of workers, which run on any machine of the cluster that has room.
Features and jobs are shared through the database. Ray Serve accepts requests on every machine,
replaces replicas that die, and lets replicas that stop finish their requests.
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

    from acorn.features.feature_table import FeatureRow
    from service.workers import WorkFactory
    from service.workers.feature_work import FeatureTask

logger = logging.getLogger(__name__)

NAME = "acorn"
"""Name of the Ray Serve application and of its deployment."""

HERE = "auto"
"""Ray's address of the cluster that runs on this machine."""

_ONGOING = 10_000  # more than may ever wait: the server itself limits its queue


class ClusterError(AcornError):
    """The Ray cluster cannot be reached, or the server cannot start on it."""


def serve_on_ray(
    settings: Settings, *, factory: "WorkFactory[FeatureTask, FeatureRow] | None" = None
) -> None:
    """Serve on a Ray cluster until a signal ends it; accepted requests are answered first.

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
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # ray.init() has replaced the handlers
        signal.signal(number, lambda _number, _frame: ended.set())
    try:
        _warn_of_separate_stores(ray, settings)
        # Every node listens, so that a load balancer may use any machine of the cluster.
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


def _builder(
    settings: Settings, factory: "WorkFactory[FeatureTask, FeatureRow] | None", gpus: float
) -> Any:
    def build() -> "FastAPI":
        """Create the application, in each replica."""
        from service.http.app import create_app
        from service.observability.logs import configure_logging
        from service.workers.ray_worker import RayWorkers

        configure_logging(settings.log_level, settings.log_format)
        workers = RayWorkers(cpus=settings.threads, gpus=gpus)
        return create_app(settings, factory=factory, start_worker=workers)

    return build
