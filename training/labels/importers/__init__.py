"""Importers: from a benchmark's own files to the label table. One format is one module."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from acorn.errors import UnknownNameError
from training.labels.importers.robustness import import_robustness
from training.labels.importers.table import import_table

__all__ = ["IMPORTERS", "UnknownFormatError", "get_importer", "import_robustness", "import_table"]

IMPORTERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    "robustness": import_robustness,
    "table": import_table,
}


class UnknownFormatError(UnknownNameError):
    """A format that there is no importer for."""

    kind = "format"


def get_importer(name: str) -> Callable[[Path], pl.DataFrame]:
    """Look an importer up; raises :class:`UnknownFormatError`."""
    try:
        return IMPORTERS[name]
    except (KeyError, TypeError):
        raise UnknownFormatError(name, IMPORTERS) from None
