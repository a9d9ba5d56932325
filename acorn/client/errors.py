"""What can go wrong when a server is asked.

::

    ClientError
    ├── ConnectionFailed             no answer: nobody listens, or the server went silent
    ├── UnexpectedAnswer             an answer that is not one of Acorn's
    ├── JobFailed                    a job that ended without being done
    ├── JobTimeout                   a job that took longer than the caller waits
    └── ProblemError                 the server says no, and why
        ├── BadRequest               400
        ├── Unauthorized             401
        ├── Forbidden                403
        ├── NotFound                 404
        ├── Conflict                 409
        ├── TooLarge                 413
        ├── ValidationProblem        422, with every bad item by JSON pointer
        ├── TooManyRequests          429
        └── ServerProblem            500 and above
            └── Unavailable          503
"""
# ruff: noqa: N818 (they are named after what the server says)

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Self

from acorn.errors import AcornError
from acorn.schemas.jobs import Job
from acorn.schemas.problems import Problem


class ClientError(AcornError):
    """Base of all errors of asking a server."""


class ConnectionFailed(ClientError):
    """No answer: nobody listens at the address, or the server went silent."""


class UnexpectedAnswer(ClientError):
    """An answer that is not one of Acorn's, such as the page of a proxy."""


class JobFailed(ClientError):
    """A job that ended without being done.

    Attributes
    ----------
    job
        The job; its ``error`` says why, where nobody cancelled it.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(
            f"job {job.id} {job.state}" + (f": {job.error.detail}" if job.error else "")
        )
        self.job = job


class JobTimeout(ClientError, TimeoutError):
    """A job that took longer than the caller waits; it goes on.

    Attributes
    ----------
    job
        The job, as it was last seen.
    """

    def __init__(self, job: Job, seconds: float) -> None:
        super().__init__(
            f"job {job.id} is {job.state} after {seconds:g} s, "
            f"with {job.done + job.failed} of {job.total} architectures"
        )
        self.job = job


class ProblemError(ClientError):
    """The server says no, and why (RFC 9457).

    Parameters
    ----------
    problem
        The problem details.
    retry_after
        Seconds until it is worth another try, as far as the server says so.

    Attributes
    ----------
    status
        HTTP status.
    errors
        What is wrong with each bad item, by its JSON pointer into the request.
    request_id
        Under which the server's log has the request.
    """

    def __init__(self, problem: Problem, *, retry_after: float | None = None) -> None:
        self.problem = problem
        self.status = problem.status
        self.retry_after = retry_after
        self.request_id = problem.request_id
        self.errors: dict[str, str] = {}
        for item in problem.errors:
            said = self.errors.get(item.pointer)
            self.errors[item.pointer] = f"{said}; {item.detail}" if said else item.detail
        super().__init__(_line(problem))


class BadRequest(ProblemError):
    """The request is not JSON, or otherwise not to be read."""


class Unauthorized(ProblemError):
    """The server wants a key, or does not know the one that it got."""


class Forbidden(ProblemError):
    """The key may not do this."""


class NotFound(ProblemError):
    """There is no such forest, job or address."""


class Conflict(ProblemError):
    """Not in the present state, such as the table of a job that runs."""


class TooLarge(ProblemError):
    """More bytes than the server takes."""


class ValidationProblem(ProblemError):
    """Items of the request are wrong; ``errors`` has each by JSON pointer."""

    def moved(self, place: Callable[[int], int]) -> Self:
        """Say it of another list: ``place`` tells where in it each architecture stands."""
        items = [
            item.model_copy(update={"pointer": _moved(item.pointer, place)})
            for item in self.problem.errors
        ]
        return type(self)(self.problem.model_copy(update={"errors": items}))


class TooManyRequests(ProblemError):
    """The queue is full, or the sender asks too often."""


class ServerProblem(ProblemError):
    """The server failed, or cannot compute a network."""


class Unavailable(ServerProblem):
    """The server cannot answer now."""


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
    """Make the exception of problem details."""
    other = ServerProblem if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else ProblemError
    return _CLASSES.get(problem.status, other)(problem, retry_after=retry_after)


def _line(problem: Problem) -> str:
    line = f"{problem.status} {problem.title}: {problem.detail}"
    if problem.errors:
        first = problem.errors[0]
        more = f" (and {len(problem.errors) - 1} more)" if len(problem.errors) > 1 else ""
        line += f": {first.pointer}: {first.detail}{more}"
    return line


def _moved(pointer: str, place: Callable[[int], int]) -> str:
    match pointer.split("/"):
        case ["", "architectures", index, *rest] if index.isdecimal():
            return "/".join(["", "architectures", str(place(int(index))), *rest])
    return pointer
