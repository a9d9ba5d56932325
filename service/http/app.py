"""The web application: routes, and one place where errors become answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

import acorn
from acorn.errors import AcornError, abbreviate
from acorn.features.table import FeatureRow
from acorn.schemas.problems import Problem, ProblemItem
from acorn.strict_json import escape
from service.application import Application
from service.errors import InvalidRequestError
from service.http.middleware.authentication import AuthenticationMiddleware
from service.http.middleware.keys import Keys
from service.http.middleware.request_logging import HEADER, RequestLoggingMiddleware
from service.http.openapi import ANY_PROBLEM, describe
from service.http.problem_details import refusal, respond
from service.http.routes import admin, catalog, health, inference, jobs, maps, metrics, predict, web
from service.observability.metrics import Metrics
from service.observability.tracing import set_up_tracing
from service.repository.model_repository import ModelRepository
from service.settings import Settings
from service.storage.database import Database
from service.workers import StartWorker, WorkerProcess, WorkFactory
from service.workers.feature_work import FeatureTask

_ALLOWED = ["authorization", "idempotency-key", "x-api-key", HEADER.decode()]
_EXPOSED = ["location", "ratelimit", "ratelimit-policy", "retry-after", HEADER.decode()]


def create_app(
    settings: Settings,
    *,
    factory: WorkFactory[FeatureTask, FeatureRow] | None = None,
    start_worker: StartWorker = WorkerProcess,
) -> FastAPI:
    """Make the app; its workers start with it and end with it.

    Parameters
    ----------
    settings
        All settings.
    factory
        Makes the workers' function; by default the one that computes features.
    start_worker
        Starts a worker; by default as a process of this machine.

    Raises
    ------
    InputError
        If the settings name a folder that is not there, a database that cannot be, two keys of
        the same name, or traces without what they need.
    """
    keys = Keys(settings.api_keys, settings.admin_keys)
    repository = ModelRepository(settings.forests)
    database = Database(settings.store_url)
    counts = Metrics()
    tracing = set_up_tracing(wanted=settings.otel)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = Application(
            settings, repository, database, counts, factory=factory, start_worker=start_worker
        )
        app.state.service = service
        service.start()
        try:
            yield
        finally:
            await service.stop()
            await asyncio.to_thread(tracing.finish)

    app = FastAPI(
        title="Acorn",
        version=acorn.__version__,
        description="Predicts the clean and the robust test accuracy of neural architectures.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # these pages would load their scripts from elsewhere
        redoc_url=None,
        responses=ANY_PROBLEM,
        telemetry=tracing.config,
    )
    for module in (predict, jobs, inference, catalog, maps, health, metrics, admin, web):
        app.include_router(module.router)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    app.add_exception_handler(AcornError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_wrong_parameter)
    _surround(app, settings, keys, counts)
    return app


def _surround(app: FastAPI, settings: Settings, keys: Keys, counts: Metrics) -> None:
    """Put the middleware around the routes, from the innermost to the outermost."""
    limiter = None
    if settings.rate_limit:
        from service.http.middleware.rates import RateLimiter

        limiter = RateLimiter(settings.rate_limit)
    app.add_middleware(
        AuthenticationMiddleware, keys=keys, limiter=limiter, guard_metrics=settings.guard_metrics
    )
    app.add_middleware(
        RequestLoggingMiddleware, metrics=counts, is_closing=lambda: app.state.service.is_draining
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=_ALLOWED,
            expose_headers=_EXPOSED,
        )


async def _on_error(request: Request, error: Exception) -> Response:
    return refusal(error, request.scope)


async def _on_wrong_parameter(request: Request, error: Exception) -> Response:
    """Answer for parameters of the query or header that are not as declared."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for it)
    items = [_item(details) for details in error.errors()]
    return refusal(InvalidRequestError(items), request.scope)


def _item(details: dict[str, Any]) -> ProblemItem:
    pointer = "".join(f"/{escape(str(part))}" for part in details["loc"])
    detail = f"got {abbreviate(details.get('input'))}; {details['msg']}"
    return ProblemItem(pointer=pointer, detail=detail)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Answer for what the framework refuses: unknown addresses, wrong methods."""
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for it)
    status = HTTPStatus(error.status_code)
    got = f"{request.method} {abbreviate(request.scope['path'], 200)}"
    detail = f"got {got}; {status.description or error.detail}"
    problem = Problem(title=status.phrase, status=status, detail=detail)
    headers = dict(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request) or headers["Allow"]
    return respond(problem, request.scope, headers)


def _allowed(request: Request) -> str:
    """Methods of an address, of all its routes; the framework knows of the first only."""
    path = getattr(request.scope.get("route"), "path", "")
    return ", ".join(sorted(map(str.upper, request.app.openapi()["paths"].get(path, {}))))
