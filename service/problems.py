"""What can go wrong with a request, each with its HTTP status, as RFC 9457 problem details.

::

    AcornError
    ├── InputError                    422
    ├── MismatchError                 500
    ├── BundleError                   503
    └── ServiceError                  each class carries its own status
        ├── MalformedBodyError        400  not JSON
        ├── UnauthorizedError         401  no key, or one that is not known
        ├── ForbiddenError            403  a key that may not do this
        ├── BodyTooLargeError         413
        ├── UnsupportedMediaError     415
        ├── InvalidRequestError       422  lists every bad item
        ├── TooMuchWorkError          422  more networks than may ever wait
        ├── NotFoundError             404
        ├── NotAcceptableError        406  refuses every coding that there is
        ├── ConflictError             409  not in the present state of a job
        ├── QueueFullError            429  with Retry-After
        ├── RateLimitedError          429  with Retry-After
        ├── ReloadError               500  a forests folder that cannot be read
        ├── ComputationError          500  a network whose features cannot be computed
        │   └── QuarantinedError      500  it took workers down before
        ├── UnavailableError          503  with Retry-After
        │   └── AbandonedError        503  whoever asked has gone; nobody sees it
        └── DeadlineError             504
"""

from collections.abc import Sequence
from http import HTTPStatus

from acorn.errors import AcornError, BundleError, InputError, MismatchError
from acorn.schemas.problems import Problem, ProblemItem
from service.observability.logs import request_id


class ServiceError(AcornError):
    """Base of the errors of answering; ``status`` is what HTTP says of it."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[ProblemItem] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.errors = list(errors)
        self.retry_after = retry_after


class MalformedBodyError(ServiceError):
    """A body that is not JSON."""

    status = HTTPStatus.BAD_REQUEST


class BodyTooLargeError(ServiceError):
    """A body of more bytes than the server takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaError(ServiceError):
    """A body that is not declared to be JSON."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class InvalidRequestError(ServiceError):
    """A request with items that are wrong; ``errors`` lists every one."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, errors: Sequence[ProblemItem], *, count: int | None = None) -> None:
        n = len(errors) if count is None else count
        noun = "item of the request is" if n == 1 else "items of the request are"
        rest = f", of which the first {len(errors)} are listed" if n > len(errors) else ""
        super().__init__(f"{n} {noun} wrong{rest}", errors=errors)


class TooMuchWorkError(ServiceError):
    """More networks to compute at once than may ever wait, so that waiting is of no use."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class UnauthorizedError(ServiceError):
    """A request without a key, or with one that is not known."""

    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(ServiceError):
    """A request whose key may not do what it asks for."""

    status = HTTPStatus.FORBIDDEN


class NotFoundError(ServiceError):
    """A name in the address that nothing has."""

    status = HTTPStatus.NOT_FOUND


class NotAcceptableError(ServiceError):
    """A request that refuses every coding in which there is an answer."""

    status = HTTPStatus.NOT_ACCEPTABLE


class ConflictError(ServiceError):
    """A request that has to wait for another state of what it asks for."""

    status = HTTPStatus.CONFLICT


class QueueFullError(ServiceError):
    """More networks wait for a worker than the server admits."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class RateLimitedError(ServiceError):
    """More requests of one sender than the server takes in a time."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class ReloadError(ServiceError):
    """A forests folder that cannot be read any more."""


class ComputationError(ServiceError):
    """A network whose features cannot be computed."""


class QuarantinedError(ComputationError):
    """A network that took several workers down and is not tried again."""


class UnavailableError(ServiceError):
    """The server cannot answer now, and may later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class AbandonedError(UnavailableError):
    """A network that nobody waits for any more."""


class DeadlineError(ServiceError):
    """A network that took longer to compute than the server allows."""

    status = HTTPStatus.GATEWAY_TIMEOUT


def status_of(error: Exception) -> HTTPStatus:
    """HTTP status of any exception."""
    match error:
        case ServiceError():
            return error.status
        case InputError():
            return HTTPStatus.UNPROCESSABLE_ENTITY
        case BundleError():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case MismatchError() | _:
            return HTTPStatus.INTERNAL_SERVER_ERROR


def problem_of(error: Exception) -> Problem:
    """Problem details of any exception; those of unforeseen ones say nothing of the inside."""
    status = status_of(error)
    detail = str(error) if isinstance(error, AcornError) else "the server failed; its log says why"
    errors = error.errors if isinstance(error, ServiceError) else []
    return Problem(
        title=status.phrase,
        status=status,
        detail=detail,
        errors=errors,
        request_id=request_id.get(),
    )
