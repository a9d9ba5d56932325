"""The process that serves: signals, and an end that loses no request.

SIGTERM begins the end. For a while the server says that it is not ready, still answers, and closes
each connection with its answer; then it takes no more, and finishes what it has. What is not
finished by the deadline gets 503. Ctrl-C, and a second SIGTERM, leave out the first part. SIGHUP
reloads the forests.
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
_LAST_ANSWERS_SECONDS = 3  # for the 503s after the deadline to be written


class Server(uvicorn.Server):
    """Serves one app until it is told to end."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                log_level=settings.log_level,
                access_log=False,  # the app has its own, which names no secrets
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_graceful_shutdown=round(settings.shutdown_seconds) + _LAST_ANSWERS_SECONDS,
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
        """Begin to listen, also to SIGHUP."""
        await super().startup(sockets)
        # Else each large body has the collector walk through all libraries and forests.
        gc.collect()
        gc.freeze()
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end, or hasten it."""
        if self.started:
            self._service.is_draining = True
        if sig == signal.SIGTERM and self.started and self._drained_at is None:
            self._drained_at = time.monotonic() + self._settings.drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Say, ten times a second, whether to take no more requests."""
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            super().handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what was accepted, within the deadline."""
        deadline = asyncio.create_task(self._end_all())
        for server in self.servers:
            server.close()
        # Who connected at the last moment has yet to say what they want.
        await asyncio.sleep(_LAST_REQUESTS_SECONDS)
        try:
            await super().shutdown(sockets)
        finally:
            deadline.cancel()

    async def _end_all(self) -> None:
        """At the deadline, answer whatever still waits for a worker."""
        await asyncio.sleep(self._settings.shutdown_seconds)
        logger.warning("the time to finish is over; what still waits gets 503")
        await self._service.pool.stop()

    def _reload(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reload_and_log())
        self._reloads.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._reloads.discard)

    async def _reload_and_log(self) -> None:
        with suppress(ReloadError):  # which is logged
            await self._service.reload()
