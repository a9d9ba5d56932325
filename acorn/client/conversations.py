"""What is said in which order: sent, awaited, sent again. Nothing here sends or waits.

A conversation is a generator. It yields what is to be done next, an :class:`Attempt` or a
:class:`Pause`, is sent the reply to an attempt, and returns its result. So the client that waits
and the one that is awaited share all that has to be decided.
"""

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias, TypeVar

from httpx2 import RequestError, Response
from pydantic import ValidationError

from acorn.client.errors import ClientError, ConnectionFailed, UnexpectedAnswer, problem_error
from acorn.client.requests import Request
from acorn.schemas.problems import Problem

T = TypeVar("T")

COME_AGAIN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""The server did nothing, and may do it later."""

_SHOWN = 200  # characters of an answer that is not Acorn's


@dataclass(frozen=True, slots=True)
class Attempt:
    """Send a request; no wait for a byte may take longer than ``seconds``."""

    request: Request[Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


Step: TypeAlias = Attempt | Pause
Reply: TypeAlias = Response | RequestError | None
Conversation: TypeAlias = Generator[Step, Reply, T]


@dataclass(frozen=True, slots=True)
class Retries:
    """When a request is sent again, and when not any more.

    A server that says when to come again (``Retry-After`` with 429 or 503) is asked again then, for
    as long as the deadline allows. Without such a word, and where there is no answer at all, pauses
    double, and the number of attempts is limited. Pauses are drawn at random, so that many clients
    do not come again all at once. Any other refusal is final.

    Attributes
    ----------
    attempts
        Most attempts at a server that does not answer, or does not say when it will.
    first_pause, longest_pause
        Bounds of the pauses, in seconds.
    """

    attempts: int = 5
    first_pause: float = 0.5
    longest_pause: float = 30.0

    def pause(self, failures: int, retry_after: float | None) -> float:
        """Seconds until the next attempt, after so many failures."""
        longest = min(self.longest_pause, self.first_pause * 2 ** (failures - 1))
        return (retry_after or 0.0) + random.uniform(0.0, longest)


@dataclass(frozen=True, slots=True)
class Manners:
    """How a client asks.

    Attributes
    ----------
    timeout
        Seconds that the server may be silent.
    deadline
        Seconds that a method may take with all its attempts; None is any time. A job may take
        longer: it is many requests.
    retries
        When a request is sent again.
    """

    timeout: float
    deadline: float | None
    retries: Retries


class Ask(Protocol):
    """Sends a request and makes its result; :func:`ask`, with the manners of a client."""

    def __call__(self, request: Request[T], /) -> Conversation[T]: ...  # noqa: D102


def ask(manners: Manners, request: Request[T]) -> Conversation[T]:
    """Send a request as often as it takes, and read the answer.

    Raises
    ------
    ClientError
        Of the last attempt.
    """
    response = yield from converse(manners, request)
    try:
        return request.read(response.content)
    except ValidationError as error:
        what = f"{request.method} {request.path}"
        raise UnexpectedAnswer(
            f"got an answer to {what} that is not of this version: {error.errors()[0]['msg']}"
        ) from error


def converse(manners: Manners, request: Request[Any]) -> Conversation[Response]:
    """Send a request as often as it takes; returns the answer that is none of refusal."""
    end = float("inf") if manners.deadline is None else time.monotonic() + manners.deadline
    failures = 0
    while True:
        left = max(end - time.monotonic(), 0.001)
        reply = yield Attempt(request, min(manners.timeout, left))
        if isinstance(reply, Response) and reply.is_success:
            return reply
        error, retry_after = _error_of(reply)
        is_worth_it = isinstance(reply, RequestError) and request.is_safe
        if isinstance(reply, Response):
            is_worth_it = reply.status_code in COME_AGAIN
        failures += 1
        pause = manners.retries.pause(failures, retry_after)
        is_late = time.monotonic() + pause >= end
        is_enough = retry_after is None and failures >= manners.retries.attempts
        if not (is_worth_it and request.is_patient) or is_late or is_enough:
            raise error from (reply if isinstance(reply, RequestError) else None)
        yield Pause(pause)


def _error_of(reply: Reply) -> tuple[ClientError, float | None]:
    """Make an exception of a reply, and find when the server wants to be asked again."""
    if not isinstance(reply, Response):
        said = " ".join(str(reply).split()) or "the server went silent"
        return ConnectionFailed(f"no answer: {type(reply).__name__}: {said}"), None
    retry_after = read_retry_after(reply.headers.get("retry-after"))
    try:
        problem = Problem.model_validate_json(reply.content)
    except ValidationError:
        if reply.status_code < HTTPStatus.BAD_REQUEST:
            return _unexpected(reply), None
        said = " ".join(reply.text[:_SHOWN].split()) or "the answer says nothing"
        problem = Problem(
            title=reply.reason_phrase, status=reply.status_code, detail=said, request_id=""
        )
    return problem_error(problem, retry_after=retry_after), retry_after


def _unexpected(response: Response) -> UnexpectedAnswer:
    place = response.headers.get("location")
    to = f", which leads to {place}" if place else ""
    return UnexpectedAnswer(f"got status {response.status_code}{to}; expected an answer")


def read_retry_after(
    text: str | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> float | None:
    """Read a ``Retry-After`` header (seconds, or a date) as seconds from now; None is none."""
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
