"""``GET /``: the web page, and the files that it is made of.

They stand outside the OpenAPI document, which describes what programs ask for.
"""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from service.http.negotiation import coding_for, not_modified
from service.http.web.assets import PAGE, Asset, page_policy, read_assets

_ASSETS = read_assets()
_PAGE_HEADERS = {
    "Content-Security-Policy": page_policy(_ASSETS[PAGE].content),
    "Referrer-Policy": "no-referrer",
}
_METHODS = ["GET", "HEAD"]

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=_METHODS)
async def page(request: Request) -> Response:
    """Show the page."""
    return _send(request, _ASSETS[PAGE], _PAGE_HEADERS)


@router.api_route("/static/{name:path}", methods=_METHODS)
async def static(request: Request, name: str) -> Response:
    """Send a file of the page."""
    if name not in _ASSETS:
        raise HTTPException(404)
    return _send(request, _ASSETS[name], {})


def _send(request: Request, asset: Asset, extra: Mapping[str, str]) -> Response:
    headers = {**asset.headers, **extra}
    if (response := not_modified(request.headers, headers)) is not None:
        return response
    if asset.packed is None:
        coding_for(request.headers, ["identity"])
    elif coding_for(request.headers, ["gzip", "identity"]) == "gzip":
        return Response(asset.packed, headers={**headers, "Content-Encoding": "gzip"})
    return Response(asset.content, headers=headers)
