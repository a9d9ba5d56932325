"""Importers of the files of benchmarks, one format in each module."""

from training.labels.importers.hw_nas_bench import import_hw_nas_bench
from training.labels.importers.nas_robbench import import_nas_robbench
from training.labels.importers.nasbench301 import import_nasbench301
from training.labels.importers.nats_bench import import_nats_bench
from training.labels.importers.robustness import import_robustness
from training.labels.importers.suite_zero import import_suite_zero
from training.labels.importers.table import import_table
from training.labels.importers.timm_results import import_timm

__all__ = [
    "import_hw_nas_bench",
    "import_nas_robbench",
    "import_nasbench301",
    "import_nats_bench",
    "import_robustness",
    "import_suite_zero",
    "import_table",
    "import_timm",
]
