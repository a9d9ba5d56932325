"""The web application: routes, and one place where errors become answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

import models
from models.errors import AcornError
from models.feature_table import FeatureRow
from service.core import Service
from service.features import FeatureTask
from service.forests import Forests
from service.openapi import ANY_PROBLEM, describe
from service.problems import MEDIA_TYPE, Problem, ServiceError, problem_of
from service.routes import catalog, health, predict
from service.settings import Settings
from service.store import FeatureStore
from service.workers import WorkFactory


def create_app(
    settings: Settings, *, factory: WorkFactory[FeatureTask, FeatureRow] | None = None
) -> FastAPI:
    """Make the app; its workers start with it and end with it.

    Parameters
    ----------
    settings
        All settings.
    factory
        Makes the workers' function; by default the one that computes features.

    Raises
    ------
    InputError
        If the settings name a folder that is not there, or a database that cannot be.
    """
    forests = Forests.load(settings.forests)
    store = FeatureStore(settings.store_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = Service(settings, forests, store, factory=factory)
        app.state.service = service
        service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="Acorn",
        version=models.__version__,
        description="Predicts the clean and the robust test accuracy of neural architectures.",
        lifespan=lifespan,
        redirect_slashes=False,
        responses=ANY_PROBLEM,
    )
    for router in (predict.router, catalog.router, health.router):
        app.include_router(router)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    app.add_exception_handler(AcornError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_error)  # logged by the server, too
    return app


async def _on_error(_request: Request, error: Exception) -> Response:
    retry_after = error.retry_after if isinstance(error, ServiceError) else None
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return _respond(problem_of(error), headers)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Answer for what the framework refuses: unknown addresses, wrong methods."""
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for it)
    status = HTTPStatus(error.status_code)
    detail = f"got {request.method} {request.url.path[:200]}; {status.description or error.detail}"
    problem = Problem(title=status.phrase, status=status, detail=detail)
    return _respond(problem, dict(error.headers or {}))


def _respond(problem: Problem, headers: dict[str, str]) -> Response:
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)
