"""Importers: from a benchmark's own files to the label table. One format is one module."""

from training.labels.importers.robustness import import_robustness
from training.labels.importers.table import import_table

__all__ = ["import_robustness", "import_table"]
