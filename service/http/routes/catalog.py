"""``GET /forests``, ``GET /forests/{name}`` and ``GET /spaces``: available models and spaces."""

from fastapi import APIRouter, Request

from acorn.schemas.prediction import ForestDetail, ForestList, SpaceList
from service.http.openapi import problems
from service.http.state import service_of

router = APIRouter(tags=["catalog"])


@router.get("/forests")
async def forests(request: Request) -> ForestList:
    """List the verified forests, and the bundles that failed verification."""
    return service_of(request).repository.snapshot.listing


@router.get("/forests/{name}", responses=problems(404))
async def forest(request: Request, name: str) -> ForestDetail:
    """Show one forest: its targets, features, settings, importances and manifest.

    A name without ``@version`` means the newest version.
    """
    return service_of(request).repository.snapshot.detail(name)


@router.get("/spaces")
async def spaces(request: Request) -> SpaceList:
    """List the architecture spaces, with an example of each, and the limits of requests."""
    return service_of(request).spaces()
