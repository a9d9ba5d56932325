"""Errors as answers: problem details, with the headers that go with them."""

from fastapi import Response
from starlette.types import Scope

from acorn.schemas.problems import MEDIA_TYPE, Problem
from service.problems import ServiceError, UnauthorizedError, problem_of

CHALLENGE = 'Bearer realm="acorn"'


INFERENCE = "/v2"
"""Under it, clients of the Open Inference Protocol look for the member ``error``."""


def refusal(error: Exception, scope: Scope) -> Response:
    """Answer for any exception that a request met."""
    headers = {}
    if isinstance(error, ServiceError) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = CHALLENGE
    return respond(problem_of(error), scope, headers)


def respond(problem: Problem, scope: Scope, headers: dict[str, str]) -> Response:
    """Write problem details, as an answer to a request."""
    if scope["path"].startswith(INFERENCE):
        problem = problem.model_copy(update={"error": problem.detail})
    content = problem.model_dump_json(exclude_none=True)
    return Response(content, problem.status, headers, MEDIA_TYPE)
