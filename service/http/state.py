"""How routes find the service."""

from typing import cast

from fastapi import Request

from service.application import Application


def service_of(request: Request) -> Application:
    """Find the service behind the app of a request."""
    return cast(Application, request.app.state.service)
