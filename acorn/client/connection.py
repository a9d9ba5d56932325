"""Address, key and headers of the client's connections."""

import os
import platform
from typing import Any

import httpx2

import acorn
from acorn.client.exchanges import Attempt
from acorn.client.requests import Spool
from acorn.errors import InputError, abbreviate

DEFAULT_URL = "http://127.0.0.1:8000"
CONNECT_SECONDS = 10.0
USER_AGENT = (
    f"acorn-client/{acorn.__version__} python/{platform.python_version()} "
    f"httpx2/{httpx2.__version__}"
)


def connection(url: str | None, api_key: str | None) -> dict[str, Any]:
    """Find the address of the server, and the headers of all requests.

    Parameters
    ----------
    url : str or None
        Address of the server; by default ``ACORN_URL``, else :data:`DEFAULT_URL`.
    api_key : str or None
        By default ``ACORN_API_KEY``, else none.

    Returns
    -------
    dict
        Arguments of both HTTP clients.

    Raises
    ------
    InputError
        If the address is invalid. No message shows a key.
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
            raise InputError("got an API key with characters that no key has")
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
