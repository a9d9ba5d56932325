"""A client for the server's HTTP interface, for Python programs that do not serve themselves.

:class:`Client` waits, :class:`AsyncClient` is awaited; both have the same methods and differ in
nothing else: what is sent, read, repeated and awaited is decided once, by generators that neither
send nor wait themselves (:mod:`service.client.conversations`). Importing it imports no torch and no
web framework.
"""

from service.client.asynchronous import AsyncClient, AsyncJobs
from service.client.conversations import Retries
from service.client.errors import (
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
from service.client.frames import specs_of
from service.client.requests import Options
from service.client.synchronous import Client, Jobs

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
