"""``/v2``: the Open Inference Protocol, for clients of KServe and Triton."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from service.http.body import read_json
from service.http.openapi import json_body, problems
from service.http.state import service_of
from service.prediction.open_inference import (
    InferRequest,
    InferResponse,
    ModelInfo,
    ServerInfo,
    describe_forest,
    infer,
)
from service.repository.served_bundle import ServedBundle

router = APIRouter(prefix="/v2", tags=["open inference protocol"])

_MODEL = "/models/{forest}"
_VERSION = "/models/{forest}/versions/{version}"


class ServerLive(BaseModel):
    """The process responds."""

    live: bool = True


class ServerReady(BaseModel):
    """The server can predict."""

    ready: bool = True


class ModelReady(ServerReady):
    """A forest can predict."""

    name: str


@router.get("")
async def server() -> ServerInfo:
    """Describe the server."""
    return ServerInfo()


@router.get("/health/live")
async def live() -> ServerLive:
    """Report that the process responds."""
    return ServerLive()


@router.get("/health/ready", responses=problems(503))
async def ready(request: Request) -> ServerReady:
    """Report whether the server can predict, as ``GET /health/ready`` does."""
    service_of(request).ready()
    return ServerReady()


@router.get(_MODEL, responses=problems(404))
@router.get(_VERSION, responses=problems(404))
async def model(request: Request, forest: str, version: str | None = None) -> ModelInfo:
    """Describe the inputs and outputs of a forest; without a version, of the newest one."""
    served = _find(request, forest, version)
    snapshot = service_of(request).repository.snapshot
    versions = [other.bundle.version for other in snapshot if other.name == served.name]
    return describe_forest(served, versions)


@router.get(f"{_MODEL}/ready", responses=problems(404))
@router.get(f"{_VERSION}/ready", responses=problems(404))
async def model_ready(request: Request, forest: str, version: str | None = None) -> ModelReady:
    """Report that a forest is loaded and verified; others give status 404."""
    return ModelReady(name=_find(request, forest, version).name)


_INFER: dict[str, Any] = {
    "responses": problems(400, 404, 413, 415, 422),
    "openapi_extra": json_body(InferRequest),
}


@router.post(f"{_MODEL}/infer", **_INFER)
@router.post(f"{_VERSION}/infer", **_INFER)
async def infer_(request: Request, forest: str, version: str | None = None) -> InferResponse:
    """Predict from feature vectors, with interval bounds if the request asks for them."""
    settings = service_of(request).settings
    served = _find(request, forest, version)
    document = await read_json(request, max_bytes=settings.max_body_bytes)
    return await asyncio.to_thread(infer, document, served, max_rows=settings.max_architectures)


def _find(request: Request, forest: str, version: str | None) -> ServedBundle:
    return service_of(request).repository.snapshot.get(
        forest if version is None else f"{forest}@{version}"
    )
