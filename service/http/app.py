"""The application factory: routes, middleware and exception handlers."""

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

import acorn
import service.http.routes
from acorn.errors import AcornError, abbreviate
from acorn.features.feature_table import FeatureRow
from acorn.schemas.problems import Problem
from acorn.spaces.plugins import name_plugins
from service.application import Application
from service.errors import InvalidRequestError
from service.http.middleware.authentication import AuthenticationMiddleware
from service.http.middleware.keys import Keys
from service.http.middleware.request_logging import HEADER, RequestLoggingMiddleware
from service.http.openapi import ANY_PROBLEM, describe
from service.http.problem_details import refusal, respond
from service.observability.logs import request_id
from service.observability.metrics import Metrics
from service.observability.request_tracing import set_up_tracing
from service.prediction.plan import problem_item
from service.prediction.plugin_ranks import rank_plugin_spaces
from service.replicas import Replicas
from service.repository.model_repository import ModelRepository
from service.settings import Settings
from service.storage.database import Database
from service.workers import StartWorker, WorkerProcess, WorkFactory
from service.workers.feature_work import FeatureTask

_ALLOWED_HEADERS = ["authorization", "idempotency-key", "x-api-key", HEADER.decode()]
_EXPOSED_HEADERS = ["location", "ratelimit", "ratelimit-policy", "retry-after", HEADER.decode()]


def create_app(
    settings: Settings,
    *,
    factory: WorkFactory[FeatureTask, FeatureRow] | None = None,
    start_worker: StartWorker = WorkerProcess,
    replicas: Replicas | None = None,
) -> FastAPI:
    """Create the application; its lifespan starts and stops the service behind it.

    Parameters
    ----------
    settings : Settings
        All settings.
    factory : WorkFactory, default=None
        Makes the work function of the workers; None computes features.
    start_worker : StartWorker, default=WorkerProcess
        Starts a worker, by default as a process of this machine.
    replicas : Replicas, default=None
        All replicas of the server; None if there is only this one.

    Returns
    -------
    FastAPI

    Raises
    ------
    InputError
        If a plugin cannot be used, or the settings name a missing folder, an unusable database, two
        keys of the same name, or tracing without its packages.
    """
    name_plugins(settings.plugins)
    keys = Keys(settings.api_keys, settings.admin_keys)
    repository = ModelRepository(settings.forests, settings.ranks)
    rank_plugin_spaces(repository)
    database = Database(settings.store_url)
    metrics = Metrics()
    tracing = set_up_tracing(wanted=settings.otel)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = Application(
            settings,
            repository,
            database,
            metrics,
            factory=factory,
            start_worker=start_worker,
            replicas=replicas,
        )
        app.state.service.start()
        try:
            yield
        finally:
            await app.state.service.stop()
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
    for router in _find_routers():
        app.include_router(router)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    app.add_exception_handler(AcornError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_parameter)
    _add_middleware(app, settings, keys, metrics)
    return app


def _find_routers() -> list[APIRouter]:
    """Import the router of every module in the folder of routes."""
    package = service.http.routes
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    names.sort(key="predict".__ne__)  # routes are matched in order, and this one is asked most
    return [importlib.import_module(f"{package.__name__}.{name}").router for name in names]


def _add_middleware(app: FastAPI, settings: Settings, keys: Keys, metrics: Metrics) -> None:
    """Add the middleware, from the innermost to the outermost."""
    limiter = None
    if settings.rate_limit:
        from service.http.middleware.rates import RateLimiter

        limiter = RateLimiter(settings.rate_limit)
    app.add_middleware(
        AuthenticationMiddleware, keys=keys, limiter=limiter, guard_metrics=settings.guard_metrics
    )
    app.add_middleware(
        RequestLoggingMiddleware,
        metrics=metrics,
        is_closing=lambda: app.state.service.is_draining,
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=_ALLOWED_HEADERS,
            expose_headers=_EXPOSED_HEADERS,
        )


async def _on_error(request: Request, error: Exception) -> Response:
    return refusal(error, request.scope)


async def _on_invalid_parameter(request: Request, error: Exception) -> Response:
    """Respond to query or header parameters that do not match their declaration."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for it)
    items = [problem_item(details) for details in error.errors()]
    return refusal(InvalidRequestError(items), request.scope)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Respond to what the framework refuses: unknown paths, wrong methods."""
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for it)
    status = HTTPStatus(error.status_code)
    got = f"{request.method} {abbreviate(request.scope['path'], 200)}"
    detail = f"got {got}; {status.description or error.detail}"
    problem = Problem(
        title=status.phrase, status=status, detail=detail, request_id=request_id.get()
    )
    headers = dict(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework names the methods of the first route of a path only.
        path = getattr(request.scope.get("route"), "path", "")
        methods = request.app.openapi()["paths"].get(path, {})
        headers["Allow"] = ", ".join(sorted(map(str.upper, methods))) or headers["Allow"]
    return respond(problem, request.scope, headers)
