"""What can go wrong with a request, each with its HTTP status, as RFC 9457 problem details.

::

    AcornError
    ├── InputError                    422
    ├── MismatchError                 500
    ├── BundleError                   503
    └── ServiceError                  each class carries its own status
        ├── MalformedBodyError        400  not JSON
        ├── BodyTooLargeError         413
        ├── UnsupportedMediaError     415
        ├── InvalidRequestError       422  lists every bad item
        ├── TooMuchWorkError          422  more networks than may ever wait
        ├── NotFoundError             404
        ├── QueueFullError            429  with Retry-After
        ├── ComputationError          500  a network whose features cannot be computed
        │   └── QuarantinedError      500  it took workers down before
        ├── UnavailableError          503  with Retry-After
        └── DeadlineError             504
"""

from collections.abc import Sequence
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from models.errors import AcornError, BundleError, InputError, MismatchError

MEDIA_TYPE = "application/problem+json"


class ProblemItem(BaseModel):
    """One bad item of a request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the request body.")
    detail: str = Field(description="What was got, and what was expected.")


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "1 item of the request is wrong",
                "errors": [{"pointer": "/architectures/3/arch", "detail": "got 'x'; expected ..."}],
            }
        }
    )

    type: str = Field(default="about:blank", description="URI of the kind of problem.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What went wrong this time, in one line.")
    errors: list[ProblemItem] = Field(
        default_factory=list, description="Every bad item of the request."
    )


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

    def __init__(self, errors: Sequence[ProblemItem]) -> None:
        n = len(errors)
        noun = "item of the request is" if n == 1 else "items of the request are"
        super().__init__(f"{n} {noun} wrong", errors=errors)


class TooMuchWorkError(ServiceError):
    """More networks to compute at once than may ever wait, so that waiting is of no use."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class NotFoundError(ServiceError):
    """A name in the address that nothing has."""

    status = HTTPStatus.NOT_FOUND


class QueueFullError(ServiceError):
    """More networks wait for a worker than the server admits."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class ComputationError(ServiceError):
    """A network whose features cannot be computed."""


class QuarantinedError(ComputationError):
    """A network that took several workers down and is not tried again."""


class UnavailableError(ServiceError):
    """The server cannot answer now, and may later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


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
    return Problem(title=status.phrase, status=status, detail=detail, errors=errors)
