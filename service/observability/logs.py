"""Logging: one line per event on stderr, with the id of its request."""

import logging
import sys
from contextvars import ContextVar
from typing import Literal

LogFormat = Literal["auto", "text", "json"]

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the current request; empty outside of requests."""

_TEXT = "%(asctime)s %(levelname)s %(process)d %(name)s:%(tag)s %(message)s"
_JSON = ["levelname", "process", "name", "message"]


def configure_logging(level: str, form: LogFormat = "text") -> None:
    """Log to stderr; stdout is for results.

    Parameters
    ----------
    level : str
        Lowest level that is logged: debug, info, warning, error or critical.
    form : {"text", "json", "auto"}, default="text"
        json writes one object per line, with the fields timestamp, level, process, logger, message,
        request_id and those of the event; auto is text on a terminal, else json.
    """
    handler = logging.StreamHandler()
    if form == "json" or (form == "auto" and not sys.stderr.isatty()):
        from pythonjsonlogger.json import JsonFormatter

        renamed = {"levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter(_JSON, rename_fields=renamed, timestamp=True))
    else:
        handler.setFormatter(_TextFormatter(_TEXT))
    handler.addFilter(_add_request_id)
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _add_request_id(record: logging.LogRecord) -> bool:
    """Add the id of the current request to a record that has none."""
    if not hasattr(record, "request_id") and (current := request_id.get()):
        record.request_id = current
    record.__dict__.pop("color_message", None)  # uvicorn's, for terminals
    return True


class _TextFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the base's name)
        named = getattr(record, "request_id", "")
        record.tag = f" [{named}]" if named else ""
        return super().formatMessage(record)
