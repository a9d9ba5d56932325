"""Conditional requests and content codings (RFC 9110, sections 13.1.2 and 12.5.3).

Starlette's ``GZipMiddleware`` ignores weights such as ``gzip;q=0`` and compresses every response
anew; its ``StaticFiles`` splits entity tags at commas inside of them. Here content is compressed
once, when it is made.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse

from service.errors import NotAcceptableError

Coding = Literal["gzip", "identity"]

_TAG = re.compile(r'[ \t,]*(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?=,|$)')
_CODING = re.compile(
    r"(?P<name>\*|[!#$%&'+.^_`|~0-9a-z-]+)"
    r"(?:[ \t]*;[ \t]*q=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
_UNLISTED_IDENTITY = 0.0005
"""Weight of identity if the request does not list it: acceptable, but below all listed codings."""


@dataclass(frozen=True)
class CompressedContent:
    """Content that is held compressed, and sent as the client accepts it.

    Attributes
    ----------
    packed : bytes
        The content, compressed with gzip.
    media_type : str
        Value of ``Content-Type``.
    cache_control : str
        Value of ``Cache-Control``.
    plain : bytes, default=None
        The content; None if it is to be decompressed for each client that does not accept gzip.
    """

    packed: bytes
    media_type: str
    cache_control: str
    plain: bytes | None = None

    @cached_property
    def etag(self) -> str:
        """Entity tag; weak, since it is the same for both codings."""
        return f'W/"{hashlib.sha256(self.packed).hexdigest()[:32]}"'

    def respond(self, request: Headers) -> Response:
        """Make the response to a GET request.

        Parameters
        ----------
        request : Headers
            Headers of the request.

        Returns
        -------
        Response
            Status 304 without content if the client has this version already.

        Raises
        ------
        NotAcceptableError
            If the client accepts no coding of the content.
        """
        headers = {
            "ETag": self.etag,
            "Cache-Control": self.cache_control,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if matches(", ".join(request.getlist("if-none-match")), self.etag):
            return NotModifiedResponse(Headers(headers))
        coding = choose_coding(", ".join(request.getlist("accept-encoding")))
        if coding is None:
            raise NotAcceptableError(
                "got an Accept-Encoding that refuses gzip and identity; expected one of them"
            )
        if coding == "gzip":
            content = self.packed
            headers["Content-Encoding"] = "gzip"
        else:
            content = self.plain or gzip.decompress(self.packed)
        return Response(content, headers=headers, media_type=self.media_type)


def matches(if_none_match: str, etag: str) -> bool:
    """Tell whether ``If-None-Match`` lists an entity tag, or is ``*``.

    Parameters
    ----------
    if_none_match : str
        Value of the header. A list is read up to the first malformed entity tag.
    etag : str
        Entity tag of the present version. The comparison is weak: ``W/"a"`` equals ``"a"``.

    Returns
    -------
    bool
    """
    if if_none_match.strip() == "*":
        return True
    opaque_tag = etag.removeprefix("W/")[1:-1]
    position = 0
    while (tag := _TAG.match(if_none_match, position)) is not None:
        if tag[1] == opaque_tag:
            return True
        position = tag.end()
    return False


def choose_coding(accept_encoding: str) -> Coding | None:
    """Choose the content coding that ``Accept-Encoding`` gives the largest weight.

    A weight of 0 refuses a coding. Codings that are not listed are refused, except identity, which
    only ``identity`` or ``*`` can refuse. Malformed parts of the header are ignored.

    Parameters
    ----------
    accept_encoding : str
        Value of the header.

    Returns
    -------
    {"gzip", "identity"} or None
        None if the client refuses all.
    """
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        if (item := _CODING.fullmatch(part.strip())) is not None:
            weights[item["name"].removeprefix("x-")] = float(item["weight"] or 1)

    def weight(coding: Coding) -> float:
        unlisted = _UNLISTED_IDENTITY if coding == "identity" else 0.0
        return weights.get(coding, weights.get("*", unlisted))

    best = max(get_args(Coding), key=weight)  # of equal weights the first, gzip
    return best if weight(best) > 0 else None
