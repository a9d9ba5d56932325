"""A client for the server's HTTP interface, for Python programs that do not serve themselves.

:class:`Client` waits, :class:`AsyncClient` is awaited; both have the same methods and differ in
nothing else: what is sent, read, repeated and awaited is decided once, by generators that neither
send nor wait themselves (:mod:`acorn.client.conversations`). Importing it imports no torch and no
web framework.
"""

from acorn.client.asynchronous import AsyncClient, AsyncJobs
from acorn.client.conversations import Retries
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
from acorn.client.frames import specs_of
from acorn.client.synchronous import Client, Jobs
from acorn.schemas.options import Options

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
