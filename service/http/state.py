"""The application of a request."""

from typing import cast

from fastapi import Request

from service.application import Application


def service_of(request: Request) -> Application:
    """Return the application that answers a request."""
    return cast(Application, request.app.state.service)
