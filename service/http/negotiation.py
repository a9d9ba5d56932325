"""What a request says of the copy that its sender has, and of the codings that it can read.

RFC 9110, sections 13.1.2 and 12.5.3. Starlette's ``GZipMiddleware`` sends gzip to everyone who
mentions it, also as ``gzip;q=0``, and its ``StaticFiles`` splits entity tags at the commas inside
them; both work on each answer anew what is kept here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse

from service.errors import NotAcceptableError

Coding = Literal["gzip", "identity"]

VARY = "Accept-Encoding"

_TAG = re.compile(r'[ \t,]*(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?=,|$)')
_CODING = re.compile(
    r"(?P<name>\*|[!#$%&'+.^_`|~0-9a-z-]+)"
    r"(?:[ \t]*;[ \t]*q=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
_UNASKED = 0.0005
"""Weight of identity where the request does not say any: acceptable, and below all that it says."""


def not_modified(request: Headers, headers: Mapping[str, str]) -> Response | None:
    """Answer 304 if the client has the present version already.

    Parameters
    ----------
    request
        Headers of the request.
    headers
        Headers of the full answer, its ``ETag`` among them.

    Returns
    -------
    Response or None
        None if the client needs the answer itself.
    """
    if not matches(", ".join(request.getlist("if-none-match")), headers["ETag"]):
        return None
    return NotModifiedResponse(Headers(headers))


def matches(if_none_match: str, etag: str) -> bool:
    """Whether ``If-None-Match`` lists an entity tag, or is ``*``.

    Tags are compared weakly: ``W/"a"`` and ``"a"`` are the same. A list is read up to the first
    place that is no entity tag.
    """
    if if_none_match.strip() == "*":
        return True
    wanted = etag.removeprefix("W/")[1:-1]
    position = 0
    while (tag := _TAG.match(if_none_match, position)) is not None:
        if tag[1] == wanted:
            return True
        position = tag.end()
    return False


def coding_for(request: Headers, offered: Sequence[Coding]) -> Coding:
    """Choose the coding of an answer.

    Parameters
    ----------
    request
        Headers of the request.
    offered
        What there is, best first.

    Raises
    ------
    NotAcceptableError
        If the request refuses all of it.
    """
    coding = choose_coding(", ".join(request.getlist("accept-encoding")), offered)
    if coding is None:
        refused = " and ".join(offered)
        raise NotAcceptableError(f"got an Accept-Encoding that refuses {refused}; expected one")
    return coding


def choose_coding(accept_encoding: str, offered: Sequence[Coding]) -> Coding | None:
    """Choose what ``Accept-Encoding`` gives the largest weight; of equals, the first offered.

    A weight of 0 refuses; what is not listed is refused but for identity, which only ``identity``
    or ``*`` refuses. A part of the header that is malformed says nothing. None if all is refused.
    """
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        if (item := _CODING.fullmatch(part.strip())) is not None:
            weights[item["name"].removeprefix("x-")] = float(item["weight"] or 1)

    def weight(coding: Coding) -> float:
        unlisted = _UNASKED if coding == "identity" else 0.0
        return weights.get(coding, weights.get("*", unlisted))

    best = max(offered, key=weight)
    return best if weight(best) > 0 else None
