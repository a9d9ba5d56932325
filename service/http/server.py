"""The server process: signals, and a shutdown that loses no accepted request.

SIGTERM starts draining: the server reports that it is not ready, still answers, and closes each
connection after its response. Then it accepts no more connections and finishes its requests; those
that are not finished by the deadline get status 503. Ctrl-C and a second SIGTERM skip the draining.
SIGHUP reloads the bundles.
"""

import asyncio
import gc
import logging
import signal
import socket
import time
from contextlib import suppress
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI

from service.application import Application
from service.errors import ReloadError
from service.settings import Settings

logger = logging.getLogger(__name__)

_LAST_REQUESTS_SECONDS = 0.1
_RESPONSE_SECONDS = 3  # to write the responses with status 503 after the deadline


class Server(uvicorn.Server):
    """Serves one application until a signal ends it.

    Parameters
    ----------
    app : FastAPI
        The application, as :func:`service.http.app.create_app` makes it.
    settings : Settings
        Address, trusted proxies and the times of the shutdown.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                log_level=settings.log_level,
                access_log=False,  # the application logs requests itself, without secrets
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_graceful_shutdown=round(settings.shutdown_seconds) + _RESPONSE_SECONDS,
                lifespan="on",
            )
        )
        self._app = app
        self._settings = settings
        self._drained_at: float | None = None
        self._reloads: set[asyncio.Task[None]] = set()

    @property
    def _service(self) -> Application:
        return cast(Application, self._app.state.service)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, also to SIGHUP."""
        await super().startup(sockets)
        # Keeps the garbage collector from scanning all libraries and forests for each large body.
        gc.collect()
        gc.freeze()
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the shutdown, or skip its draining."""
        if self.started:
            self._service.is_draining = True
        if sig == signal.SIGTERM and self.started and self._drained_at is None:
            self._drained_at = time.monotonic() + self._settings.drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to shut down; called ten times per second."""
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            super().handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the accepted requests, within the deadline."""
        deadline = asyncio.create_task(self._end_all())
        for server in self.servers:
            server.close()
        # Clients that connected at the last moment have yet to send their request.
        await asyncio.sleep(_LAST_REQUESTS_SECONDS)
        try:
            await super().shutdown(sockets)
        finally:
            deadline.cancel()

    async def _end_all(self) -> None:
        """At the deadline, end the requests that still wait for a worker."""
        await asyncio.sleep(self._settings.shutdown_seconds)
        logger.warning("shutdown deadline reached; requests that still wait get status 503")
        await self._service.pool.stop()

    def _reload(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reload_and_log())
        self._reloads.add(task)  # the loop holds only weak references
        task.add_done_callback(self._reloads.discard)

    async def _reload_and_log(self) -> None:
        with suppress(ReloadError):  # which is logged
            await self._service.reload()
