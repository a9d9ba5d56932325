"""The server with an additional empty route, the baseline for ``POST /predict``.

``POST /empty`` takes the body of ``POST /predict``, validates it, and returns as much JSON as
``PUT /empty`` has set, with the standard functions of the framework.
"""

import argparse

from fastapi import FastAPI
from pydantic import BaseModel

from acorn.schemas.prediction import PredictRequest
from service.http.app import create_app
from service.http.server import Server
from service.observability.logs import configure_logging
from service.settings import Settings, load_settings


class Padding(BaseModel):
    """A response of a given size."""

    padding: str


def make(settings: Settings) -> FastAPI:
    """Make the app."""
    app = create_app(settings)
    answer = Padding(padding="")

    @app.post("/empty", response_model=Padding)
    async def empty(_request: PredictRequest) -> Padding:
        return answer

    @app.put("/empty")
    async def resize(size: int) -> None:
        nonlocal answer
        answer = Padding(padding="x" * (size - len('{"padding":""}')))

    return app


def main() -> None:
    """Serve like ``acorn serve`` until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--var", required=True)
    options = parser.parse_args()
    settings = load_settings(port=options.port, var=options.var)
    configure_logging(settings.log_level, settings.log_format)
    Server(make(settings), settings).run()


if __name__ == "__main__":
    main()
