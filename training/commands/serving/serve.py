"""``acorn serve``."""

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from acorn.optional import need
from service.settings import Settings, load_settings
from training.commands.shared import options

if TYPE_CHECKING:
    from acorn.features.feature_table import FeatureRow
    from service.workers import WorkFactory
    from service.workers.feature_work import FeatureTask


def serve(
    host: Annotated[str | None, options.setting("host")] = None,
    port: Annotated[int | None, options.setting("port")] = None,
    backend: Annotated[str | None, options.setting("backend")] = None,
    replicas: Annotated[int | None, options.setting("replicas")] = None,
    ray_address: Annotated[str | None, options.setting("ray_address")] = None,
    forests: options.ForestsFolder = None,
    var: options.VarFolder = None,
    database_url: options.DatabaseUrl = None,
    device: options.ServerDevice = None,
    workers: Annotated[int | None, options.setting("workers")] = None,
    threads: Annotated[int | None, options.setting("threads")] = None,
    recycle_after: Annotated[int | None, options.setting("recycle_after")] = None,
    recycle_bytes: Annotated[int | None, options.setting("recycle_bytes")] = None,
    max_architectures: Annotated[int | None, options.setting("max_architectures")] = None,
    max_explanations: Annotated[int | None, options.setting("max_explanations")] = None,
    max_body_bytes: Annotated[int | None, options.setting("max_body_bytes")] = None,
    max_params: Annotated[float | None, options.setting("max_params")] = None,
    max_flops: Annotated[float | None, options.setting("max_flops")] = None,
    max_job_architectures: Annotated[int | None, options.setting("max_job_architectures")] = None,
    max_job_body_bytes: Annotated[int | None, options.setting("max_job_body_bytes")] = None,
    max_active_jobs: Annotated[int | None, options.setting("max_active_jobs")] = None,
    job_retention_days: Annotated[float | None, options.setting("job_retention_days")] = None,
    job_lease_seconds: Annotated[float | None, options.setting("job_lease_seconds")] = None,
    queue_size: Annotated[int | None, options.setting("queue_size")] = None,
    waiting_seconds: Annotated[float | None, options.setting("waiting_seconds")] = None,
    computing_seconds: Annotated[float | None, options.setting("computing_seconds")] = None,
    starting_seconds: Annotated[float | None, options.setting("starting_seconds")] = None,
    drain_seconds: Annotated[float | None, options.setting("drain_seconds")] = None,
    shutdown_seconds: Annotated[float | None, options.setting("shutdown_seconds")] = None,
    log_level: Annotated[str | None, options.setting("log_level")] = None,
    log_format: Annotated[str | None, options.setting("log_format")] = None,
    api_keys: Annotated[list[str] | None, options.setting("api_keys")] = None,
    admin_keys: Annotated[list[str] | None, options.setting("admin_keys")] = None,
    guard_metrics: Annotated[bool | None, options.setting("guard_metrics")] = None,
    rate_limit: Annotated[str | None, options.setting("rate_limit")] = None,
    cors_origins: Annotated[list[str] | None, options.setting("cors_origins")] = None,
    trusted_proxies: Annotated[list[str] | None, options.setting("trusted_proxies")] = None,
    otel: Annotated[bool | None, options.setting("otel")] = None,
) -> None:
    """Serve predictions over HTTP, until SIGTERM or Ctrl-C.

    Examples
    --------
    acorn serve --port 9000 --workers 2

    ACORN_DEVICE=cuda acorn serve --host 0.0.0.0 --rate-limit "100/second;5000/hour"

    acorn serve --backend ray --replicas 2 --database-url postgresql://acorn@db/acorn
    """
    given = locals()
    need("uvicorn", extra="serve")
    serve_until_stopped(load_settings(**given))


def serve_until_stopped(
    settings: Settings, *, factory: "WorkFactory[FeatureTask, FeatureRow] | None" = None
) -> None:
    """Serve until a signal ends the server; requests that were accepted by then are answered.

    Parameters
    ----------
    settings : Settings
        Settings of the server.
    factory : WorkFactory, optional
        Makes the function of the workers; by default the one that computes features.

    Raises
    ------
    typer.Exit
        If the server cannot start.
    """
    # Only now, so that other commands start without the web framework.
    from service.observability.logs import configure_logging

    configure_logging(settings.log_level, settings.log_format)
    if settings.backend == "ray":
        from service.ray_backend import serve_on_ray

        serve_on_ray(settings, factory=factory)
        return
    from service.http.app import create_app
    from service.http.server import Server

    server = Server(create_app(settings, factory=factory), settings)
    # The web server raises the signal once more when it has stopped in good order.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        server.run()
    except SystemExit:
        if server.started:
            raise
    if not server.started:  # its log says why
        raise typer.Exit(1)


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
