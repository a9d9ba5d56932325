"""``GET /health/live`` and ``GET /health/ready``."""

from fastapi import APIRouter, Request

from acorn.schemas.prediction import Live, Ready
from service.http.openapi import problems
from service.http.state import service_of

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> Live:
    """Say that the process answers."""
    return Live()


@router.get("/ready", responses=problems(503))
async def ready(request: Request) -> Ready:
    """Say whether predictions can be made, also for architectures never seen before."""
    return service_of(request).ready()
