"""Responses for errors: the HTTP status of each error class, and problem details (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Response
from starlette.types import Scope

from acorn import errors as library
from acorn.errors import AcornError
from acorn.schemas.problems import MEDIA_TYPE, Problem
from service import errors
from service.errors import ServiceError, UnauthorizedError
from service.observability.logs import request_id

CHALLENGE = 'Bearer realm="acorn"'
INFERENCE = "/v2"
"""Path prefix of the Open Inference Protocol, whose clients read the member ``error``."""

STATUSES: Mapping[type[Exception], HTTPStatus] = {
    Exception: HTTPStatus.INTERNAL_SERVER_ERROR,
    library.InputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    library.BundleError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.MalformedBodyError: HTTPStatus.BAD_REQUEST,
    errors.UnauthorizedError: HTTPStatus.UNAUTHORIZED,
    errors.ForbiddenError: HTTPStatus.FORBIDDEN,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.NotAcceptableError: HTTPStatus.NOT_ACCEPTABLE,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.InvalidRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooMuchWorkError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.QueueFullError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineError: HTTPStatus.GATEWAY_TIMEOUT,
}
"""HTTP status of each error class and of its subclasses."""


def status_of(error: Exception) -> HTTPStatus:
    """Look up the HTTP status of an error by the nearest class of :data:`STATUSES`."""
    return next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)


def problem_of(error: Exception) -> Problem:
    """Describe an error as problem details.

    Parameters
    ----------
    error : Exception
        Any exception. The message of one that Acorn did not raise on purpose is left out.

    Returns
    -------
    Problem
    """
    status = status_of(error)
    detail = str(error) if isinstance(error, AcornError) else "the server failed; its log says why"
    return Problem(
        title=status.phrase,
        status=status,
        detail=detail,
        errors=error.errors if isinstance(error, ServiceError) else [],
        request_id=request_id.get(),
    )


def refusal(error: Exception, scope: Scope) -> Response:
    """Make the response for an error.

    Parameters
    ----------
    error : Exception
        Any exception.
    scope : Scope
        ASGI scope of the request.

    Returns
    -------
    Response
        Problem details, with ``Retry-After`` and ``WWW-Authenticate`` where they apply.
    """
    headers = {}
    if isinstance(error, ServiceError) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = CHALLENGE
    return respond(problem_of(error), scope, headers)


def respond(problem: Problem, scope: Scope, headers: dict[str, str]) -> Response:
    """Make the response for problem details.

    Parameters
    ----------
    problem : Problem
    scope : Scope
        ASGI scope of the request.
    headers : dict of str to str
        Further response headers.

    Returns
    -------
    Response
    """
    if scope["path"].startswith(INFERENCE):
        problem = problem.model_copy(update={"error": problem.detail})
    content = problem.model_dump_json(exclude_none=True)
    return Response(content, problem.status, headers, MEDIA_TYPE)
