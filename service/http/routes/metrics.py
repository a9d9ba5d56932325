"""``GET /metrics``."""

from fastapi import APIRouter, Request, Response

from service.http.state import service_of

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text, or OpenMetrics if the Accept header asks for it.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def metrics(request: Request) -> Response:
    """Show the metrics of the server, for Prometheus; of several replicas, those of all."""
    service = service_of(request)
    content, media_type = await service.show_metrics(request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media_type})
