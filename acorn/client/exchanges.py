"""Exchanges: what to send, when to retry and when to give up, without any input or output.

An exchange is a generator. It yields the next step, an :class:`Attempt` or a :class:`Wait`,
receives the reply to an attempt, and returns its result. Both clients run the same exchanges.
"""

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar

from httpx2 import RequestError, Response
from pydantic import ValidationError

from acorn.client.errors import ClientError, ConnectionFailed, UnexpectedAnswer, problem_error
from acorn.client.requests import Request
from acorn.schemas.problems import Problem

T = TypeVar("T")

RETRY_STATUSES = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""The server has done nothing, and the client may retry."""

GATEWAY_STATUSES = (
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""Without problem details, a proxy before the server lost it: Ray Serve answers 500 if a replica
dies, others 502 or 504. The request may have arrived."""

_SHOWN = 200  # characters of a response that is not Acorn's


@dataclass(frozen=True, slots=True)
class Attempt:
    """Send a request; ``seconds`` is the timeout of every single read."""

    request: Request[Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for some seconds."""

    seconds: float


Step: TypeAlias = Attempt | Wait
Reply: TypeAlias = Response | RequestError | None
Exchange: TypeAlias = Generator[Step, Reply, T]


@dataclass(frozen=True, slots=True)
class Retries:
    """When a request is sent again.

    If the server says when to retry (``Retry-After`` with 429 or 503), it is asked again then, as
    long as the deadline permits. Otherwise, and if there is no response at all or only that of a
    proxy that lost the server, pauses grow exponentially and the number of attempts is limited.
    Pauses are random, so that many clients do not retry at once. All other errors are final.

    Attributes
    ----------
    attempts : int, default=5
        Most attempts if the server does not respond, or does not say when to retry.
    first_pause, longest_pause : float, default=0.5 and 30.0
        Bounds of the pauses, in seconds.
    """

    attempts: int = 5
    first_pause: float = 0.5
    longest_pause: float = 30.0

    def backoff(self, failures: int, retry_after: float | None) -> float:
        """Draw the seconds until the next attempt.

        Parameters
        ----------
        failures : int
            Number of failed attempts.
        retry_after : float or None
            Seconds that the server asks for.

        Returns
        -------
        float
        """
        longest = min(self.longest_pause, self.first_pause * 2 ** (failures - 1))
        return (retry_after or 0.0) + random.uniform(0.0, longest)


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """Time limits and retries of a client's requests.

    Attributes
    ----------
    timeout : float
        Seconds that the server may be silent.
    deadline : float or None
        Seconds that a request may take with all its attempts; None is no limit.
    retries : Retries
    """

    timeout: float
    deadline: float | None
    retries: Retries

    def ask(self, request: Request[T]) -> Exchange[T]:
        """Send a request, with retries, and parse the response.

        Parameters
        ----------
        request : Request

        Returns
        -------
        Exchange

        Raises
        ------
        ClientError
            The error of the last attempt.
        """
        response = yield from self.send(request)
        try:
            return request.read(response.content)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise UnexpectedAnswer(
                f"got an answer to {request.method} {request.path} of another version: {reason}"
            ) from error

    def send(self, request: Request[Any]) -> Exchange[Response]:
        """Send a request, with retries; see :meth:`ask`."""
        end = float("inf") if self.deadline is None else time.monotonic() + self.deadline
        failures = 0
        while True:
            left = max(end - time.monotonic(), 0.001)
            reply = yield Attempt(request, min(self.timeout, left))
            if isinstance(reply, Response) and reply.is_success:
                return reply
            error, retry_after = _error_of(reply)
            is_lost = isinstance(reply, RequestError) or _is_of_gateway(reply)
            may_retry = is_lost and request.is_safe
            if isinstance(reply, Response) and reply.status_code in RETRY_STATUSES:
                may_retry = True
            failures += 1
            pause = self.retries.backoff(failures, retry_after)
            is_late = time.monotonic() + pause >= end
            is_last = retry_after is None and failures >= self.retries.attempts
            if not (may_retry and request.is_retried) or is_late or is_last:
                raise error from (reply if isinstance(reply, RequestError) else None)
            yield Wait(pause)


def _is_of_gateway(reply: Reply) -> bool:
    """Whether a proxy answered because it lost the server."""
    return (
        isinstance(reply, Response)
        and reply.status_code in GATEWAY_STATUSES
        and not reply.headers.get("content-type", "").startswith("application/problem+json")
    )


def _error_of(reply: Reply) -> tuple[ClientError, float | None]:
    """Convert a reply to an exception, and the seconds until the next attempt."""
    if not isinstance(reply, Response):
        text = " ".join(str(reply).split()) or "the server stopped responding"
        return ConnectionFailed(f"no answer: {type(reply).__name__}: {text}"), None
    retry_after = read_retry_after(reply.headers.get("retry-after"))
    try:
        problem = Problem.model_validate_json(reply.content)
    except ValidationError:
        if reply.status_code < HTTPStatus.BAD_REQUEST:
            location = reply.headers.get("location")
            target = f" with location {location}" if location else ""
            message = f"got status {reply.status_code}{target}; expected an answer"
            return UnexpectedAnswer(message), None
        text = " ".join(reply.text[:_SHOWN].split()) or "the response has no text"
        problem = Problem(title=reply.reason_phrase, status=reply.status_code, detail=text)
    return problem_error(problem, retry_after=retry_after), retry_after


def read_retry_after(
    text: str | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> float | None:
    """Parse a ``Retry-After`` header.

    Parameters
    ----------
    text : str or None
        Seconds, or a date.
    now : callable, default=the clock
        Returns the time from which to count.

    Returns
    -------
    float or None
        Seconds from now; None if the header is absent or invalid.
    """
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max((date - now()).total_seconds(), 0.0)
