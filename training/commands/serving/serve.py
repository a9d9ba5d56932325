"""``acorn serve``."""

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

import typer

from acorn.optional import need
from service.settings import Settings, load_settings
from training.commands.shared import completion, options

if TYPE_CHECKING:
    from acorn.features.feature_table import FeatureRow
    from service.workers import WorkFactory
    from service.workers.feature_work import FeatureTask


@options.with_fields(Settings, omit=frozenset({"plugins"}), device=completion.devices)
def serve(**settings: object) -> None:
    """Serve predictions over HTTP, until SIGTERM or Ctrl-C.

    Examples
    --------
    acorn serve --port 9000 --workers 2

    ACORN_DEVICE=cuda acorn serve --host 0.0.0.0 --rate-limit "100/second;5000/hour"

    acorn serve --backend ray --replicas 2 --database-url postgresql://acorn@db/acorn
    """
    need("uvicorn", extra="serve")
    serve_until_stopped(load_settings(**settings))


def serve_until_stopped(
    settings: Settings, *, factory: "WorkFactory[FeatureTask, FeatureRow] | None" = None
) -> None:
    """Serve until a signal stops the server; requests that it has accepted are answered.

    Parameters
    ----------
    settings : Settings
        Settings of the server.
    factory : WorkFactory, optional
        Makes the function that the workers run; by default it computes features.

    Raises
    ------
    typer.Exit
        If the server cannot start.
    """
    # Imported here, so that other commands start without the web framework.
    from service.observability.logs import configure_logging

    configure_logging(settings.log_level, settings.log_format)
    if settings.backend == "ray":
        from service.ray_backend import serve_on_ray

        serve_on_ray(settings, factory=factory)
        return
    from service.http.app import create_app
    from service.http.server import Server

    server = Server(create_app(settings, factory=factory), settings)
    # The web server raises the signal again after an orderly stop.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        server.run()
    except SystemExit:
        if server.started:
            raise
    if not server.started:  # the reason is in its log
        raise typer.Exit(1)


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
