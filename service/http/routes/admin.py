"""``/admin``: administration; the authentication middleware requires an admin key."""

from fastapi import APIRouter, Request

from acorn.schemas.prediction import Reload
from service.http.openapi import problems
from service.http.state import service_of

router = APIRouter(prefix="/admin", tags=["administration"])


@router.post("/reload", responses=problems(401, 403, 500))
async def reload(request: Request) -> Reload:
    """Reload the folder of bundles, in every replica.

    No request is lost, and an invalid bundle changes nothing.
    """
    return await service_of(request).reload_all()
