"""``acorn serve``."""

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.settings import Settings, load_settings
from training.commands import options

if TYPE_CHECKING:
    from acorn.features.table import FeatureRow
    from service.workers import WorkFactory
    from service.workers.features import FeatureTask


def _setting(name: str) -> Any:  # noqa: ANN401, RUF100 (typer's Option is untyped)
    """Offer a setting as an option, under its own description."""
    field = Settings.model_fields[name]
    default = "none" if field.default in ("", (), None) else field.default
    return typer.Option(help=f"{field.description} Default: {default}.", show_default=False)


def serve(
    host: Annotated[str | None, _setting("host")] = None,
    port: Annotated[int | None, _setting("port")] = None,
    backend: Annotated[str | None, _setting("backend")] = None,
    replicas: Annotated[int | None, _setting("replicas")] = None,
    ray_address: Annotated[str | None, _setting("ray_address")] = None,
    forests: options.ForestsFolder = None,
    var: options.VarFolder = None,
    database_url: options.DatabaseUrl = None,
    device: options.Device = None,
    workers: Annotated[int | None, _setting("workers")] = None,
    threads: Annotated[int | None, _setting("threads")] = None,
    recycle_after: Annotated[int | None, _setting("recycle_after")] = None,
    recycle_bytes: Annotated[int | None, _setting("recycle_bytes")] = None,
    max_architectures: Annotated[int | None, _setting("max_architectures")] = None,
    max_explanations: Annotated[int | None, _setting("max_explanations")] = None,
    max_body_bytes: Annotated[int | None, _setting("max_body_bytes")] = None,
    max_params: Annotated[float | None, _setting("max_params")] = None,
    max_flops: Annotated[float | None, _setting("max_flops")] = None,
    max_job_architectures: Annotated[int | None, _setting("max_job_architectures")] = None,
    max_job_body_bytes: Annotated[int | None, _setting("max_job_body_bytes")] = None,
    max_active_jobs: Annotated[int | None, _setting("max_active_jobs")] = None,
    job_retention_days: Annotated[float | None, _setting("job_retention_days")] = None,
    job_lease_seconds: Annotated[float | None, _setting("job_lease_seconds")] = None,
    queue_size: Annotated[int | None, _setting("queue_size")] = None,
    waiting_seconds: Annotated[float | None, _setting("waiting_seconds")] = None,
    computing_seconds: Annotated[float | None, _setting("computing_seconds")] = None,
    starting_seconds: Annotated[float | None, _setting("starting_seconds")] = None,
    drain_seconds: Annotated[float | None, _setting("drain_seconds")] = None,
    shutdown_seconds: Annotated[float | None, _setting("shutdown_seconds")] = None,
    log_level: Annotated[str | None, _setting("log_level")] = None,
    log_format: Annotated[str | None, _setting("log_format")] = None,
    api_keys: Annotated[list[str] | None, _setting("api_keys")] = None,
    admin_keys: Annotated[list[str] | None, _setting("admin_keys")] = None,
    guard_metrics: Annotated[bool | None, _setting("guard_metrics")] = None,
    rate_limit: Annotated[str | None, _setting("rate_limit")] = None,
    cors_origins: Annotated[list[str] | None, _setting("cors_origins")] = None,
    trusted_proxies: Annotated[list[str] | None, _setting("trusted_proxies")] = None,
    otel: Annotated[bool | None, _setting("otel")] = None,
) -> None:
    """Serve predictions over HTTP, until SIGTERM or Ctrl-C.

    Examples
    --------
    acorn serve --port 9000 --workers 2

    ACORN_DEVICE=cuda acorn serve --host 0.0.0.0 --rate-limit "100/second;5000/hour"

    acorn serve --backend ray --replicas 2 --database-url postgresql://acorn@db/acorn
    """
    serve_until_stopped(load_settings(**locals()))


def serve_until_stopped(
    settings: Settings, *, factory: "WorkFactory[FeatureTask, FeatureRow] | None" = None
) -> None:
    """Serve until a signal ends it; all that is accepted by then is answered.

    ``factory`` makes the workers' function; by default the one that computes features. Raises
    :class:`typer.Exit` where the server cannot start.
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
