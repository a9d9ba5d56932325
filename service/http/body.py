"""Reading request bodies: check the media type, and read no more bytes than allowed."""

import asyncio
import contextlib
from collections.abc import Sequence

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.errors import BodyTooLargeError, MalformedBodyError, UnsupportedMediaError
from service.prediction.plan import parse_json

DISCARD_BYTES = 256 * 2**20
DISCARD_SECONDS = 10.0


async def read_json(request: Request, *, max_bytes: int) -> object:
    """Read and parse a JSON body.

    Parameters
    ----------
    request : Request
    max_bytes : int
        Largest body that is read.

    Returns
    -------
    object
        The parsed document.

    Raises
    ------
    UnsupportedMediaError
        If the content type is not JSON, or the content is encoded.
    BodyTooLargeError
        If the body exceeds ``max_bytes``; no more than that is held in memory.
    MalformedBodyError, InvalidRequestError
        As :func:`~service.prediction.plan.parse_json` does.
    """
    body, _ = await read_body(request, max_bytes=max_bytes, media_types=("application/json",))
    # A large body would block the event loop.
    return parse_json(body) if len(body) < 2**16 else await asyncio.to_thread(parse_json, body)


async def read_body(
    request: Request, *, max_bytes: int, media_types: Sequence[str]
) -> tuple[bytes, str]:
    """Read a body of one of several media types.

    Parameters
    ----------
    request : Request
    max_bytes : int
        Largest body that is read.
    media_types : sequence of str
        The accepted media types.

    Returns
    -------
    body : bytes
    media_type : str

    Raises
    ------
    UnsupportedMediaError
        If the body has another media type, or a content encoding.
    BodyTooLargeError
        If the body exceeds ``max_bytes``; no more than that is held in memory.
    """
    try:
        media_type = _check_type(request, media_types)
        return await _read(request, max_bytes), media_type
    except (UnsupportedMediaError, BodyTooLargeError):
        await discard(request)
        raise


def _check_type(request: Request, media_types: Sequence[str]) -> str:
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in media_types:
        got = repr(media_type) if media_type else "none"
        expected = " or ".join(media_types)
        raise UnsupportedMediaError(f"got content type {got}; expected {expected}")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaError(f"got content encoding {encoding!r}; expected none")
    return media_type


async def _read(request: Request, max_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise BodyTooLargeError(f"got a body of {declared} bytes; expected at most {max_bytes}")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise BodyTooLargeError(f"got a larger body; expected at most {max_bytes} bytes")
    except ClientDisconnect:
        raise MalformedBodyError("the body ended early") from None
    return bytes(body)


async def discard(request: Request) -> None:
    """Read the rest of a body and discard it, within limits.

    Otherwise a client that is still sending would see a reset instead of the response.
    """
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    discarded = 0
    more = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while more and discarded < DISCARD_BYTES:
                message = await request.receive()
                discarded += len(message.get("body", b""))
                more = message["type"] == "http.request" and message.get("more_body", False)
