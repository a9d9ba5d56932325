"""The parts of the OpenAPI document that FastAPI cannot derive from the routes."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from acorn.schemas.jobs import PredictionJob, ProxyJob, SearchJob
from acorn.schemas.prediction import PredictRequest
from acorn.schemas.problems import MEDIA_TYPE, Problem, ProblemItem
from acorn.schemas.proxies import ProxyRequest
from service.http.middleware.authentication import ADMIN, OPEN, PUBLIC
from service.prediction.open_inference import InferRequest

_REFERENCE = "#/components/schemas/{model}"
_KEYS = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_ANY_KEY: list[dict[str, list[str]]] = [{"key": []}, {"bearer": []}]
_BODIES = (PredictRequest, ProxyRequest, PredictionJob, ProxyJob, SearchJob, InferRequest)
_RETRY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


_ITEM = ProblemItem(pointer="/architectures/3/arch", detail="got 'x'; expected a cell")
_DETAILS = {
    400: "the body is not JSON: it ends early",
    401: "got no key; expected one in the header X-API-Key or as a bearer token",
    403: "got the key laptop; expected an admin key",
    404: "no forest 'x'; expected one of nats_tss-cifar10@0.1.0",
    406: "got an Accept-Encoding that refuses gzip and identity; expected one",
    409: "got a job that is running; expected one that has ended",
    413: "got a body of 9000000 bytes; expected at most 8388608",
    415: "got content type 'text/plain'; expected application/json",
    422: "1 item of the request is wrong",
    429: "got 300 networks to compute while 200 wait already; at most 256 may wait",
    500: "it cannot be computed",
    503: "no worker is ready",
    504: "it took longer than 120 s to compute",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare the error responses of a route.

    Parameters
    ----------
    *statuses : int
        Status codes with which the route may respond.

    Returns
    -------
    dict
        Responses for FastAPI, each with problem details and an example.
    """
    declared: dict[int | str, dict[str, Any]] = {}
    for status in map(HTTPStatus, statuses):
        example = Problem(
            title=status.phrase,
            status=status,
            detail=_DETAILS.get(status, status.phrase),
            errors=[_ITEM] if status == HTTPStatus.UNPROCESSABLE_ENTITY else [],
            request_id="6f1c0a5e9b7d4c3f",
        )
        content = {"example": example.model_dump(exclude_none=True)}
        declared[status] = _refusal(status.phrase, content)
        if status in _RETRY:
            declared[status]["headers"] = {
                "Retry-After": typed_value("Seconds to wait.", "integer")
            }
    return declared


def typed_value(description: str, kind: str = "string") -> dict[str, Any]:
    """Declare a header or parameter whose value has a JSON type."""
    return {"description": description, "schema": {"type": kind}}


def _refusal(description: str, extra: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=Problem.__name__)}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema, **extra}}}


ANY_PROBLEM: dict[int | str, dict[str, Any]] = {"default": _refusal("Anything unforeseen", {})}
"""Error responses of all routes."""


def json_body(*models: type[BaseModel]) -> dict[str, Any]:
    """Declare a JSON body that the route reads itself, of one of several schemas."""
    choices = [{"$ref": _REFERENCE.format(model=model.__name__)} for model in models]
    schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """Write the OpenAPI document of an application, once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        _, definitions = models_json_schema(
            [
                *((model, "validation") for model in _BODIES),
                (Problem, "serialization"),
            ],
            ref_template=_REFERENCE,
        )
        document["components"]["schemas"].update(definitions["$defs"])
        document["components"]["securitySchemes"] = _KEYS
        for path, item in document["paths"].items():
            for operation in item.values():
                _declare_authentication(path, operation)
        app.openapi_schema = document
    return app.openapi_schema


def _declare_authentication(path: str, operation: dict[str, Any]) -> None:
    """Declare the responses of the authentication middleware, which precedes the route."""
    if path.startswith(OPEN):
        return
    is_admin = path.startswith(ADMIN)
    if path not in PUBLIC:
        # The empty alternative: many servers need no key.
        operation["security"] = _ANY_KEY if is_admin else [*_ANY_KEY, {}]
        operation["responses"]["401"] = problems(401)[401]
    operation["responses"]["429"] = problems(429)[429]
