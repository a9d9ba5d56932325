"""How routes find the service."""

from typing import cast

from fastapi import Request

from service.application import Service


def service_of(request: Request) -> Service:
    """Find the service behind the app of a request."""
    return cast(Service, request.app.state.service)
