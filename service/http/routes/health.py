"""``GET /health/live`` and ``GET /health/ready``."""

from fastapi import APIRouter, Request

from acorn.schemas.prediction import Live, Ready
from service.http.openapi import problems
from service.http.state import service_of

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> Live:
    """Report that the process responds."""
    return Live()


@router.get("/ready", responses=problems(503))
async def ready(request: Request) -> Ready:
    """Report whether the server can predict any architecture, also new ones."""
    return service_of(request).ready()
