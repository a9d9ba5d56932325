"""``POST /predict``."""

import asyncio
from typing import TypeVar

from fastapi import APIRouter, Request, Response

from service.body import read_json
from service.openapi import json_body, problems
from service.predictor import FEW
from service.routes.state import service_of
from service.schemas import PredictRequest, PredictResponse

router = APIRouter(tags=["predictions"])

CLIENT_CLOSED_REQUEST = 499  # nobody sees it but the access log

T = TypeVar("T")


@router.post(
    "/predict",
    response_model=None,
    responses={200: {"model": PredictResponse}, **problems(400, 413, 415, 422, 429, 500, 503, 504)},
    openapi_extra=json_body(PredictRequest),
)
async def predict(request: Request) -> Response:
    """Predict the accuracies of architectures, in the order of the request."""
    service = service_of(request)
    document = await read_json(request, max_bytes=service.settings.max_body_bytes)
    work = asyncio.ensure_future(service.predictor.predict(document))
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        answer = await work
    finally:
        work.cancel()
        gone.cancel()
    few = len(answer.predictions) <= FEW
    content = answer.model_dump_json() if few else await asyncio.to_thread(answer.model_dump_json)
    return Response(content, media_type="application/json")


async def _disconnected(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
