"""How processes log: one line an event, on stderr."""

import logging

_FORMAT = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    """Log from ``level`` on to stderr; stdout is for results."""
    logging.basicConfig(level=level.upper(), format=_FORMAT)
