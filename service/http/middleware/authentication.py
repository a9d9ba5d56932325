"""Authentication and rate limits, checked before the body of a request is read.

Pure ASGI, so that it costs microseconds.
"""

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ForbiddenError, RateLimitedError, ServiceError, UnauthorizedError
from service.http.body import discard
from service.http.middleware.keys import Caller, Keys
from service.http.middleware.request_logging import CALLER
from service.http.problem_details import refusal

if TYPE_CHECKING:  # only those who want limits pay for the import
    from service.http.middleware.rates import RateLimiter

ADMIN = "/admin/"
OPEN = ("/health/", "/v2/health/", "/static/")
"""Paths without key or rate limit: probes have no keys, and static files cost little."""

PUBLIC = frozenset({"/", "/openapi.json"})
"""Paths without a key: they show nothing that is not in the documentation."""

METRICS = "/metrics"
_IPV6_PREFIX = 64  # bits that the addresses of one subscriber have in common


class AuthenticationMiddleware:
    """ASGI middleware that refuses requests with 401, 403 and 429.

    Parameters
    ----------
    app : ASGIApp
        The application inside.
    keys : Keys
        The known API keys.
    limiter : RateLimiter or None
        Counts the requests of each sender; None sets no limit.
    guard_metrics : bool
        Whether ``/metrics`` needs a key.
    """

    def __init__(
        self, app: ASGIApp, keys: Keys, limiter: "RateLimiter | None", *, guard_metrics: bool
    ) -> None:
        self._app = app
        self._keys = keys
        self._limiter = limiter
        self._guard_metrics = guard_metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(OPEN):
            await self._app(scope, receive, send)
            return
        key = _given_key(scope["headers"])
        caller = None if key is None else self._keys.find(key)
        if caller is not None:
            scope[CALLER] = caller.name
        error: ServiceError | None = None
        if self._limiter is not None and scope["path"] != METRICS:
            # Senders without a known key are counted by address, so guesses are limited too.
            host, _ = scope.get("client") or ("unknown", 0)
            sender = f"key {caller.name}" if caller else sender_of(host)
            allowance = self._limiter.take(sender)
            if allowance.is_over:
                error = RateLimitedError(
                    f"got more than {allowance.limit} requests in {allowance.window} s; "
                    f"expected the next one in {allowance.reset} s",
                    retry_after=allowance.reset,
                )
            send = _with_headers(send, allowance.headers)
        error = error or self._refuse(scope["path"], caller, was_given=key is not None)
        if error is None:
            await self._app(scope, receive, send)
        else:
            await discard(Request(scope, receive))
            await refusal(error, scope)(scope, receive, send)

    def _refuse(self, path: str, caller: Caller | None, *, was_given: bool) -> ServiceError | None:
        """Make the error for a caller that may not use a path; None if it may."""
        is_admin = path.startswith(ADMIN)
        if is_admin and not self._keys.has_admin:
            return ForbiddenError("this server has no admin key, so nobody may administer it")
        needs_key = is_admin or (self._keys.guard_all and path not in PUBLIC)
        if path == METRICS:
            needs_key = self._guard_metrics
        if needs_key and caller is None:
            got = "a key that is not known" if was_given else "no key"
            return UnauthorizedError(
                f"got {got}; expected one in the header X-API-Key or as a bearer token"
            )
        if is_admin and caller is not None and not caller.is_admin:
            return ForbiddenError(f"got the key {caller.name}; expected an admin key")
        return None


def _given_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    bearer = None
    for name, value in headers:
        if name == b"x-api-key":
            return value.decode("latin-1")
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].strip().decode("latin-1")
    return bearer


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return send_on


def sender_of(host: str) -> str:
    """Name the sender behind an address.

    Parameters
    ----------
    host : str
        Address of the client.

    Returns
    -------
    str
        The address itself; of an IPv6 address its /64 network, which belongs to one subscriber.
    """
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host, _IPV6_PREFIX), strict=False))
    except ValueError:
        return host
