"""A client for the server's HTTP interface.

:class:`Client` blocks, and :class:`AsyncClient` is for asyncio. Both have the same methods, which
are defined once, as exchanges without input and output (:mod:`acorn.client.calls`). The import
needs neither torch nor a web framework.
"""

from acorn.client.asynchronous import AsyncClient, AsyncJobs
from acorn.client.errors import (
    BadRequest,
    ClientError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    JobFailed,
    JobTimeout,
    NotFound,
    ProblemError,
    ServerProblem,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    ValidationProblem,
)
from acorn.client.exchanges import Retries
from acorn.client.frames import specs_of
from acorn.client.synchronous import Client, Jobs
from acorn.schemas.predict_options import Options

__all__ = [
    "AsyncClient",
    "AsyncJobs",
    "BadRequest",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Forbidden",
    "JobFailed",
    "JobTimeout",
    "Jobs",
    "NotFound",
    "Options",
    "ProblemError",
    "Retries",
    "ServerProblem",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "ValidationProblem",
    "specs_of",
]
