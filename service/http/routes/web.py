"""``GET /``: the web page, and its files under ``/static``.

They are not part of the OpenAPI document, which describes the interface for programs.
"""

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from service.http.web.assets import PAGE, page_policy, read_assets

_ASSETS = read_assets()
_PAGE_HEADERS = {
    "Content-Security-Policy": page_policy(),
    "Referrer-Policy": "no-referrer",
}
_METHODS = ["GET", "HEAD"]

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=_METHODS)
async def page(request: Request) -> Response:
    """Send the page."""
    response = _ASSETS[PAGE].respond(request.headers)
    response.headers.update(_PAGE_HEADERS)
    return response


@router.api_route("/static/{name:path}", methods=_METHODS)
async def static(request: Request, name: str) -> Response:
    """Send a file of the page."""
    if name not in _ASSETS:
        raise HTTPException(404)
    return _ASSETS[name].respond(request.headers)
