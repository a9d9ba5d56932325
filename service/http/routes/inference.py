"""``/v2``: the Open Inference Protocol, for clients of KServe and Triton."""

import asyncio
from functools import partial
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
    """The process answers."""

    live: bool = True


class ServerReady(BaseModel):
    """The server can answer."""

    ready: bool = True


class ModelReady(ServerReady):
    """A forest can answer."""

    name: str


@router.get("")
async def server() -> ServerInfo:
    """Say what the server is."""
    return ServerInfo()


@router.get("/health/live")
async def live() -> ServerLive:
    """Say that the process answers."""
    return ServerLive()


@router.get("/health/ready", responses=problems(503))
async def ready(request: Request) -> ServerReady:
    """Say whether predictions can be made, as ``GET /health/ready`` does."""
    service_of(request).ready()
    return ServerReady()


@router.get(_MODEL, responses=problems(404))
@router.get(_VERSION, responses=problems(404))
async def model(request: Request, forest: str, version: str | None = None) -> ModelInfo:
    """Show what a forest takes and gives; without a version the newest one."""
    found = _find(request, forest, version)
    forests = service_of(request).repository.snapshot
    versions = [each.bundle.version for each in forests if each.name == found.name]
    return describe_forest(found, versions)


@router.get(f"{_MODEL}/ready", responses=problems(404))
@router.get(f"{_VERSION}/ready", responses=problems(404))
async def model_ready(request: Request, forest: str, version: str | None = None) -> ModelReady:
    """Say whether a forest is loaded and verified; those that are not are not found."""
    return ModelReady(name=_find(request, forest, version).name)


_INFER: dict[str, Any] = {
    "responses": problems(400, 404, 413, 415, 422),
    "openapi_extra": json_body(InferRequest),
}


@router.post(f"{_MODEL}/infer", **_INFER)
@router.post(f"{_VERSION}/infer", **_INFER)
async def infer_(request: Request, forest: str, version: str | None = None) -> InferResponse:
    """Predict from feature vectors; bounds of intervals are there where they are asked for."""
    settings = service_of(request).settings
    found = _find(request, forest, version)
    document = await read_json(request, max_bytes=settings.max_body_bytes)
    return await asyncio.to_thread(
        partial(infer, document, found, max_rows=settings.max_architectures)
    )


def _find(request: Request, forest: str, version: str | None) -> ServedBundle:
    return service_of(request).repository.snapshot.get(
        forest if version is None else f"{forest}@{version}"
    )
