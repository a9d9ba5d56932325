"""Exceptions of the client.

::

    ClientError
    ├── ConnectionFailed             no response: no server, or it stopped responding
    ├── UnexpectedAnswer             a response that is not Acorn's
    ├── JobFailed                    a job that failed or was cancelled
    ├── JobTimeout                   a job that takes longer than the caller waits
    └── ProblemError                 the server refuses the request, with problem details
        ├── BadRequest               400
        ├── Unauthorized             401
        ├── Forbidden                403
        ├── NotFound                 404
        ├── Conflict                 409
        ├── TooLarge                 413
        ├── ValidationProblem        422, lists every invalid item by JSON pointer
        ├── TooManyRequests          429
        └── ServerProblem            500 and above
            └── Unavailable          503
"""
# ruff: noqa: N818 (they are named after HTTP statuses)

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Self

from acorn.errors import AcornError
from acorn.schemas.jobs import Job
from acorn.schemas.problems import Problem


class ClientError(AcornError):
    """Base of all exceptions of the client."""


class ConnectionFailed(ClientError):
    """No response: no server at the address, or it stopped responding."""


class UnexpectedAnswer(ClientError):
    """A response that is not Acorn's, such as an error page of a proxy."""


class JobFailed(ClientError):
    """A job that failed or was cancelled.

    Attributes
    ----------
    job : Job
        Its ``error`` says why, unless it was cancelled.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(
            f"job {job.id} {job.state}" + (f": {job.error.detail}" if job.error else "")
        )
        self.job = job


class JobTimeout(ClientError, TimeoutError):
    """A job that takes longer than the caller waits; it continues.

    Attributes
    ----------
    job : Job
        The job in its last known state.
    """

    def __init__(self, job: Job, seconds: float) -> None:
        super().__init__(
            f"job {job.id} is {job.state} after {seconds:g} s, "
            f"with {job.done + job.failed} of {job.total} architectures"
        )
        self.job = job


class ProblemError(ClientError):
    """The server refuses the request, with problem details (RFC 9457).

    Parameters
    ----------
    problem : Problem
        The problem details.
    retry_after : float, default=None
        Seconds after which to retry; None if the server does not say.

    Attributes
    ----------
    status : int
        HTTP status.
    errors : dict of str to str
        Details by JSON pointer into the request.
    request_id : str
        Id of the request in the server's log.
    """

    def __init__(self, problem: Problem, *, retry_after: float | None = None) -> None:
        self.problem = problem
        self.status = problem.status
        self.retry_after = retry_after
        self.request_id = problem.request_id
        self.errors: dict[str, str] = {}
        for item in problem.errors:
            former = self.errors.get(item.pointer)
            self.errors[item.pointer] = f"{former}; {item.detail}" if former else item.detail
        super().__init__(_line(problem))


class BadRequest(ProblemError):
    """The request is not JSON, or cannot be read."""


class Unauthorized(ProblemError):
    """The key is missing or unknown."""


class Forbidden(ProblemError):
    """The API key does not permit this request."""


class NotFound(ProblemError):
    """There is no such forest, job or address."""


class Conflict(ProblemError):
    """Not possible in the present state, such as the table of a running job."""


class TooLarge(ProblemError):
    """The request has more bytes than the server accepts."""


class ValidationProblem(ProblemError):
    """Items of the request are invalid; ``errors`` lists them by JSON pointer."""

    def moved(self, new_index: Callable[[int], int]) -> Self:
        """Make the same error for another list of architectures.

        Parameters
        ----------
        new_index : callable
            Maps the index of an architecture in the request to its index in the other list.

        Returns
        -------
        ValidationProblem
        """
        items = [item.moved(new_index) for item in self.problem.errors]
        return type(self)(self.problem.model_copy(update={"errors": items}))


class TooManyRequests(ProblemError):
    """The queue is full, or the client sends too many requests."""


class ServerProblem(ProblemError):
    """The server failed, or could not compute a network."""


class Unavailable(ServerProblem):
    """The server cannot respond now."""


_CLASSES: Mapping[int, type[ProblemError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: ValidationProblem,
    429: TooManyRequests,
    503: Unavailable,
}


def problem_error(problem: Problem, *, retry_after: float | None = None) -> ProblemError:
    """Convert problem details to the exception of their status.

    Parameters
    ----------
    problem : Problem
    retry_after : float, default=None
        Seconds after which to retry; None if the server does not say.

    Returns
    -------
    ProblemError
    """
    fallback = ServerProblem if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else ProblemError
    return _CLASSES.get(problem.status, fallback)(problem, retry_after=retry_after)


def _line(problem: Problem) -> str:
    line = f"{problem.status} {problem.title}: {problem.detail}"
    if problem.errors:
        first = problem.errors[0]
        more = f" (and {len(problem.errors) - 1} more)" if len(problem.errors) > 1 else ""
        line += f": {first.pointer}: {first.detail}{more}"
    return line
