"""Following jobs: until the end, line by line, event by event."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from httpx2 import RequestError, Response, ServerSentEvent
from pydantic import ValidationError

from acorn.client import requests
from acorn.client.conversations import Ask, Conversation, Manners, Pause, converse
from acorn.client.errors import (
    Conflict,
    ConnectionFailed,
    JobFailed,
    JobTimeout,
    UnexpectedAnswer,
)
from acorn.errors import abbreviate
from acorn.schemas.jobs import Job, ResultLine

FIRST_POLL_SECONDS = 0.2
LAST_POLL_SECONDS = 5.0
POLL_GROWTH = 1.5

COMPLETE = "X-Job-Complete"
NEXT_INDEX = "X-Job-Next-Index"


def wait(
    ask: Ask,
    job: Job | str,
    *,
    timeout: float | None,
    on_progress: Callable[[Job], object] | None,
) -> Conversation[Job]:
    """Ask for a job until it is done, often at first, then less so.

    Raises
    ------
    JobFailed
        If it failed or was cancelled.
    JobTimeout
        If it is not done within ``timeout`` seconds.
    """
    end = None if timeout is None else time.monotonic() + timeout
    pause = FIRST_POLL_SECONDS
    while True:
        seen = yield from ask(requests.show(job))
        if on_progress is not None:
            on_progress(seen)
        if seen.state == "done":
            return seen
        if not seen.active:
            raise JobFailed(seen)
        if end is not None:
            left = end - time.monotonic()
            if left <= 0:
                raise JobTimeout(seen, timeout or 0.0)
            pause = min(pause, left)
        yield Pause(pause)
        pause = _longer(pause)


def cancel(ask: Ask, job: Job | str) -> Conversation[Job]:
    """End a job that waits or runs; one that has ended stays as it is."""
    try:
        return (yield from ask(requests.cancel(job)))
    except Conflict:
        return (yield from ask(requests.show(job)))


class _Stream:
    """Answers that are read as they come, each taken up where the one before ended or broke off."""

    def __init__(self, manners: Manners, job: Job | str) -> None:
        self._manners = manners
        self._job = job
        self._is_over = False
        self._failures = 0  # since something was read
        self._pause = 0.0

    def lost(self, error: RequestError) -> None:
        """Note that the connection broke off; raises where that has happened too often."""
        self._failures += 1
        if self._failures >= self._manners.retries.attempts:
            raise ConnectionFailed(f"the connection broke off: {error}") from error
        self._pause = self._manners.retries.pause(self._failures, None)

    def _open(self, request: requests.Request[Any]) -> Conversation[Response]:
        if self._pause:
            yield Pause(self._pause)
        return (yield from converse(self._manners, request))


class ResultStream(_Stream):
    """The results of a job, in order.

    Parameters
    ----------
    manners
        How the client asks.
    job
        The job.
    start
        Index of the first result.
    follow
        Whether to wait for those that are not there yet.
    """

    def __init__(self, manners: Manners, job: Job | str, *, start: int, follow: bool) -> None:
        super().__init__(manners, job)
        self._next = start
        self._follow = follow
        self._was_empty = True

    def open(self) -> Conversation[Response | None]:
        """Ask for what is there by now; None after the last."""
        if self._is_over:
            return None
        self._was_empty = True
        return (yield from self._open(requests.results(self._job, self._next)))

    def read(self, line: str) -> ResultLine:
        """Read a line."""
        try:
            found = ResultLine.model_validate_json(line)
        except ValidationError as error:
            raise UnexpectedAnswer(f"got {abbreviate(line)}; expected a result") from error
        self._failures, self._was_empty = 0, False
        self._next = found.index + 1
        return found

    def ended(self, response: Response) -> None:
        """Note that an answer was read as a whole."""
        self._is_over = not self._follow or response.headers.get(COMPLETE) == "true"
        self._next = int(response.headers.get(NEXT_INDEX, self._next))
        self._pause = _longer(self._pause) if self._was_empty else FIRST_POLL_SECONDS


class EventStream(_Stream):
    """How far a job is, whenever that changes, until its end."""

    def __init__(self, manners: Manners, job: Job | str) -> None:
        super().__init__(manners, job)
        self._last = ""

    def open(self) -> Conversation[Response | None]:
        """Ask for the next events; None after the end."""
        if self._is_over:
            return None
        response = yield from self._open(requests.events(self._job, self._last))
        return None if response.status_code == HTTPStatus.NO_CONTENT else response

    def read(self, event: ServerSentEvent) -> Job:
        """Read an event."""
        try:
            job = Job.model_validate_json(event.data)
        except ValidationError as error:
            raise UnexpectedAnswer(f"got {abbreviate(event.data)}; expected a job") from error
        self._failures = 0
        self._last = event.id
        self._is_over = not job.active
        return job

    def ended(self, response: Response) -> None:  # noqa: ARG002 (as of results)
        """Note that an answer was read as a whole: the server stopped, or the job has ended."""
        self._pause = FIRST_POLL_SECONDS


def _longer(pause: float) -> float:
    return min(max(pause * POLL_GROWTH, FIRST_POLL_SECONDS), LAST_POLL_SECONDS)
