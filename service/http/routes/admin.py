"""``/admin``: what only whoever runs the server may do.

:mod:`service.http.middleware.authentication` asks for the key.
"""

from fastapi import APIRouter, Request

from acorn.schemas.prediction import Reload
from service.http.openapi import problems
from service.http.state import service_of

router = APIRouter(prefix="/admin", tags=["administration"])


@router.post("/reload", responses=problems(401, 403, 500))
async def reload(request: Request) -> Reload:
    """Read the forests folder anew; no request is lost, and a bad bundle changes nothing."""
    return await service_of(request).reload()
