"""Where the server is, and what every request to it carries."""

import os
import platform
from typing import TypedDict

import httpx2

import acorn
from acorn.client.conversations import Attempt
from acorn.client.requests import Spool
from acorn.errors import InputError, abbreviate

DEFAULT_URL = "http://127.0.0.1:8000"
CONNECT_SECONDS = 10.0
USER_AGENT = (
    f"acorn-client/{acorn.__version__} python/{platform.python_version()} "
    f"httpx2/{httpx2.__version__}"
)


class Connection(TypedDict):
    """Arguments that both kinds of HTTP client take."""

    base_url: str
    headers: dict[str, str]


def connection(url: str | None, api_key: str | None) -> Connection:
    """Find where the server is, and the key.

    Parameters
    ----------
    url
        Address of the server; by default what ``ACORN_URL`` says, else the local one.
    api_key
        By default what ``ACORN_API_KEY`` says, else none.

    Raises
    ------
    InputError
        If the address is none. No message shows a key.
    """
    url = url or os.environ.get("ACORN_URL") or DEFAULT_URL
    api_key = api_key or os.environ.get("ACORN_API_KEY")
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        parsed = httpx2.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError(f"got {abbreviate(url)} as a server; expected http://... or https://...")
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
    if api_key:
        if not (api_key.isascii() and api_key.isprintable()):
            raise InputError("got an API key with letters that no key has")
        headers["X-API-Key"] = api_key
    return {"base_url": url, "headers": headers}


def build(http: httpx2.Client | httpx2.AsyncClient, attempt: Attempt) -> httpx2.Request:
    """Make the request of an attempt."""
    request, seconds = attempt.request, attempt.seconds
    built = http.build_request(
        request.method,
        request.path,
        params=request.params or None,
        headers=request.headers,
        content=request.body if isinstance(request.body, bytes) else None,
        timeout=httpx2.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
    )
    if isinstance(request.body, Spool):
        built.stream = request.body
    return built
