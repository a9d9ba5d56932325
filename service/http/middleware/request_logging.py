"""Request logging: request ids, access log and measured times.

Pure ASGI, so that it costs microseconds.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problem_details import refusal
from service.observability.logs import request_id
from service.observability.metrics import Metrics

access_logger = logging.getLogger("service.access")
logger = logging.getLogger(__name__)

HEADER = b"x-request-id"
CALLER = "acorn.caller"
"""Entry of the ASGI scope with the name of the API key of a request."""

NO_ROUTE = "(none)"
CLIENT_CLOSED_REQUEST = 499  # only the access log shows this status

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_QUIET = ("/health/", "/v2/health/", "/metrics")  # asked every few seconds by machines


class RequestLoggingMiddleware:
    """ASGI middleware that logs and measures requests; unforeseen errors become status 500.

    Parameters
    ----------
    app : ASGIApp
        The application inside.
    metrics : Metrics
        Counts the requests.
    is_closing : callable
        Tells whether connections are to be closed after their response.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, is_closing: Callable[[], bool]) -> None:
        self._app = app
        self._metrics = metrics
        self._is_closing = is_closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under an id, and log it afterwards."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        id_ = _given_id(scope) or secrets.token_hex(8)
        token = request_id.set(id_)
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (HEADER, id_.encode())]
                if self._is_closing():
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception as error:
            logger.exception("a request failed")
            if status:
                raise
            await refusal(error, scope)(scope, receive, send_on)
        finally:
            self._note(scope, status or CLIENT_CLOSED_REQUEST, time.perf_counter() - start)
            request_id.reset(token)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = scope["method"], getattr(scope.get("route"), "path", NO_ROUTE)
        self._metrics.requested(method, route, status, seconds)
        level = logging.DEBUG if route.startswith(_QUIET) else logging.INFO
        if access_logger.isEnabledFor(level):
            fields = {
                "method": method,
                "route": route,
                "status": status,
                "seconds": round(seconds, 6),
                "key": scope.get(CALLER),
            }
            message = "%(method)s %(route)s %(status)d in %(seconds).4f s"
            access_logger.log(level, message, fields, extra=fields)


def _given_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == HEADER:
            return value.decode() if _SANE_ID.fullmatch(value) else ""
    return ""
