"""``POST /proxies``."""

from fastapi import APIRouter, Request, Response

from acorn.schemas.proxies import ProxyRequest, ProxyResponse
from service.http.body import read_json
from service.http.middleware.request_logging import CLIENT_CLOSED_REQUEST
from service.http.openapi import json_body, problems
from service.http.routes.predict import unless_gone
from service.http.state import service_of

router = APIRouter(tags=["proxies"])


@router.post(
    "/proxies",
    response_model=None,
    responses={200: {"model": ProxyResponse}, **problems(400, 413, 415, 422, 429, 500, 503, 504)},
    openapi_extra=json_body(ProxyRequest),
)
async def proxies(request: Request) -> Response:
    """Compute zero-cost proxies of architectures, in the order of the request.

    No forest is needed. Weights, noise and images depend on the seed and the dataset alone.
    """
    service = service_of(request)
    document = await read_json(request, max_bytes=service.settings.max_body_bytes)
    answer = await unless_gone(request, service.predictor.proxies.compute(document))
    if answer is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return Response(answer.model_dump_json(), media_type="application/json")
