"""Errors of answering a request. :mod:`service.http.problem_details` maps them to HTTP statuses.

::

    AcornError
    └── ServiceError
        ├── MalformedBodyError        the body is not JSON
        ├── UnauthorizedError         no API key, or an unknown one
        ├── ForbiddenError            the API key does not permit this
        ├── BodyTooLargeError         the body exceeds the size limit
        ├── UnsupportedMediaError     the content type or encoding is not supported
        ├── InvalidRequestError       items of the request are invalid; lists every one
        ├── TooMuchWorkError          more networks than the queue can ever hold
        ├── NotFoundError             no such forest, job or map
        ├── NotAcceptableError        the client accepts no available content coding
        ├── ConflictError             the job is in another state than the request needs
        ├── QueueFullError            the queue is full; the client may retry later
        ├── RateLimitedError          too many requests from one client
        ├── ReloadError               the folder of bundles cannot be read
        ├── ComputationError          the features of a network cannot be computed
        │   └── QuarantinedError      the network crashed several workers before
        ├── UnavailableError          the server cannot answer now
        │   └── AbandonedError        all clients that waited for the network have left
        └── DeadlineError             the computation took too long
"""

from collections.abc import Sequence

from acorn.errors import AcornError
from acorn.schemas.problems import ProblemItem


class ServiceError(AcornError):
    """Base class of the errors of answering a request.

    Parameters
    ----------
    detail : str
        What went wrong, in one line.
    errors : sequence of ProblemItem, default=()
        Every invalid item of the request.
    retry_after : int, default=None
        Seconds after which the client may retry.

    Attributes
    ----------
    errors : list of ProblemItem
    retry_after : int or None
    """

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
    """The body is not JSON."""


class BodyTooLargeError(ServiceError):
    """The body exceeds the size limit."""


class UnsupportedMediaError(ServiceError):
    """The content type or encoding is not supported."""


class InvalidRequestError(ServiceError):
    """Items of the request are invalid.

    Parameters
    ----------
    errors : sequence of ProblemItem
        The invalid items.
    count : int, default=len(errors)
        Number of all invalid items, if ``errors`` lists only the first ones.
    """

    def __init__(self, errors: Sequence[ProblemItem], *, count: int | None = None) -> None:
        n = len(errors) if count is None else count
        noun = "item of the request is" if n == 1 else "items of the request are"
        rest = f", of which the first {len(errors)} are listed" if n > len(errors) else ""
        super().__init__(f"{n} {noun} wrong{rest}", errors=errors)


class TooMuchWorkError(ServiceError):
    """The request needs more networks computed than the queue can ever hold."""


class UnauthorizedError(ServiceError):
    """The request has no API key, or an unknown one."""


class ForbiddenError(ServiceError):
    """The API key does not permit the request."""


class NotFoundError(ServiceError):
    """Nothing has the requested name."""


class NotAcceptableError(ServiceError):
    """The client accepts no available content coding."""


class ConflictError(ServiceError):
    """The job is in another state than the request needs."""


class QueueFullError(ServiceError):
    """The queue is full."""


class RateLimitedError(ServiceError):
    """One client sent too many requests."""


class ReloadError(ServiceError):
    """The folder of bundles cannot be read."""


class ComputationError(ServiceError):
    """The features of a network cannot be computed."""


class QuarantinedError(ComputationError):
    """The network crashed several workers and is not tried again."""


class UnavailableError(ServiceError):
    """The server cannot answer now, and may be able to later."""


class AbandonedError(UnavailableError):
    """All clients that waited for the network have left."""


class DeadlineError(ServiceError):
    """The computation took longer than the server allows."""
