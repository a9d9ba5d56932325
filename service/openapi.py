"""What the OpenAPI document says beyond what FastAPI can see."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.problems import MEDIA_TYPE, Problem
from service.schemas import PredictRequest

_REFERENCE = "#/components/schemas/{model}"
_RETRY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare the statuses with which a route may refuse, all as problem details."""
    declared: dict[int | str, dict[str, Any]] = {}
    for status in map(HTTPStatus, statuses):
        example = Problem(title=status.phrase, status=status, detail="...").model_dump()
        declared[status] = _refusal(status.phrase, {"example": example})
        if status in _RETRY:
            declared[status]["headers"] = {
                "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
            }
    return declared


def _refusal(description: str, extra: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=Problem.__name__)}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema, **extra}}}


ANY_PROBLEM: dict[int | str, dict[str, Any]] = {"default": _refusal("Anything unforeseen", {})}
"""For all routes."""


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """Declare a JSON body that the route reads by itself."""
    schema = {"$ref": _REFERENCE.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """Write the OpenAPI document of an app, once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        _, definitions = models_json_schema(
            [(PredictRequest, "validation"), (Problem, "serialization")], ref_template=_REFERENCE
        )
        document["components"]["schemas"].update(definitions["$defs"])
        app.openapi_schema = document
    return app.openapi_schema
