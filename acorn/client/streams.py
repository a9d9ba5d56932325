"""Streams of a job's results and events, which reconnect if the connection breaks."""

from http import HTTPStatus
from typing import Generic, TypeVar

from httpx2 import RequestError, Response, ServerSentEvent
from pydantic import ValidationError

from acorn.client import calls
from acorn.client.errors import ConnectionFailed, UnexpectedAnswer
from acorn.client.exchanges import Exchange, RequestPolicy, Wait
from acorn.client.requests import Request
from acorn.errors import abbreviate
from acorn.schemas.jobs import Job, ResultLine

ItemT = TypeVar("ItemT")
T = TypeVar("T")

COMPLETE = "X-Job-Complete"
NEXT_INDEX = "X-Job-Next-Index"


class JobStream(Generic[ItemT, T]):
    """Consecutive responses, each of which continues where the one before ended or broke off.

    Parameters
    ----------
    policy : RequestPolicy
    job : Job or str
    """

    def __init__(self, policy: RequestPolicy, job: Job | str) -> None:
        self._policy = policy
        self._job = job
        self._is_over = False
        self._failures = 0  # since the last item
        self._pause = 0.0

    def open(self) -> Exchange[Response | None]:
        """Request the next items; None after the last."""
        if self._is_over:
            return None
        if self._pause:
            yield Wait(self._pause)
        response = yield from self._policy.send(self._next_request())
        return None if response.status_code == HTTPStatus.NO_CONTENT else response

    def read(self, item: ItemT) -> T:
        """Parse an item."""
        raise NotImplementedError

    def ended(self, response: Response) -> None:  # noqa: ARG002 (ResultStream reads it)
        """Record that a response was read to its end."""
        self._pause = calls.FIRST_POLL_SECONDS

    def lost(self, error: RequestError) -> None:
        """Record that the connection broke; raises if that happened too often."""
        self._failures += 1
        if self._failures >= self._policy.retries.attempts:
            raise ConnectionFailed(f"the connection broke off: {error}") from error
        self._pause = self._policy.retries.backoff(self._failures, None)

    def _next_request(self) -> Request[None]:
        raise NotImplementedError


class ResultStream(JobStream[str, ResultLine]):
    """The results of a job, in order.

    Parameters
    ----------
    policy : RequestPolicy
    job : Job or str
    start : int
        Index of the first result.
    follow : bool
        Whether to wait for results that are not available yet.
    """

    def __init__(self, policy: RequestPolicy, job: Job | str, *, start: int, follow: bool) -> None:
        super().__init__(policy, job)
        self._next = start
        self._follow = follow
        self._was_empty = True

    def read(self, line: str) -> ResultLine:
        """See :meth:`JobStream.read`."""
        try:
            result = ResultLine.model_validate_json(line)
        except ValidationError as error:
            raise UnexpectedAnswer(f"got {abbreviate(line)}; expected a result") from error
        self._failures, self._was_empty = 0, False
        self._next = result.index + 1
        return result

    def _next_request(self) -> Request[None]:
        self._was_empty = True
        return calls.result_lines(self._job, self._next)

    def ended(self, response: Response) -> None:
        """See :meth:`JobStream.ended`."""
        self._is_over = not self._follow or response.headers.get(COMPLETE) == "true"
        self._next = int(response.headers.get(NEXT_INDEX, self._next))
        self._pause = calls.next_pause(self._pause) if self._was_empty else calls.FIRST_POLL_SECONDS


class EventStream(JobStream[ServerSentEvent, Job]):
    """The progress of a job, whenever it changes, until its end."""

    def __init__(self, policy: RequestPolicy, job: Job | str) -> None:
        super().__init__(policy, job)
        self._last = ""

    def read(self, event: ServerSentEvent) -> Job:
        """See :meth:`JobStream.read`."""
        try:
            job = Job.model_validate_json(event.data)
        except ValidationError as error:
            raise UnexpectedAnswer(f"got {abbreviate(event.data)}; expected a job") from error
        self._failures = 0
        self._last = event.id
        self._is_over = not job.active
        return job

    def _next_request(self) -> Request[None]:
        return calls.job_events(self._job, self._last)
