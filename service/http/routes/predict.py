"""``POST /predict``."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from fastapi import APIRouter, Request, Response

from acorn.schemas.prediction import PredictRequest, PredictResponse
from service.http.body import read_json
from service.http.middleware.request_logging import CLIENT_CLOSED_REQUEST
from service.http.openapi import json_body, problems
from service.http.state import service_of

T = TypeVar("T")

router = APIRouter(tags=["predictions"])


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
    plan = await service.predictor.plan(document)
    content = service.predictor.respond_from_cache(plan)
    if content is None:
        content = await unless_gone(request, service.predictor.respond(plan))
    if content is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return Response(content, media_type="application/json")


async def unless_gone(request: Request, answer: Coroutine[object, object, T]) -> T | None:
    """Wait for an answer; cancel it and give None if the client disconnects."""
    work = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await work if work.done() else None
    finally:
        work.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
