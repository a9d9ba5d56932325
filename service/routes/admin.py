"""``/admin``: what only whoever runs the server may do; :mod:`service.guard` asks for the key."""

from fastapi import APIRouter, Request

from service.openapi import problems
from service.routes.state import service_of
from service.schemas import Reload

router = APIRouter(prefix="/admin", tags=["administration"])


@router.post("/reload", responses=problems(401, 403, 500))
async def reload(request: Request) -> Reload:
    """Read the forests folder anew; no request is lost, and a bad bundle changes nothing."""
    return await service_of(request).reload()
