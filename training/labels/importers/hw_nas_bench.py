"""HW-NAS-Bench (Li et al., ICLR 2021): latency and energy of the cells of NAS-Bench-201.

Read from the benchmark's own pickle, or from a table with columns such as
``cifar10.edgegpu_latency``::

    {"nasbench201": {"cifar10": {"config": [{"arch_str": "|...|", ...}, ...],
                                 "edgegpu_latency": [5.8, ...], ...}, ...}, ...}

Latency is in milliseconds, energy in millijoules. -1 marks a cell that a device cannot run.
"""

import re
from pathlib import Path
from typing import Any

import polars as pl

from acorn.errors import InvalidTableError
from acorn.targets import Target
from training.labels.importers.plain_pickle import read_plain_pickle
from training.labels.importers.source_files import join_by_arch, read_source
from training.labels.reading import read_column, read_file, split_column

PICKLES = (".pickle", ".pkl")

_COLUMN = re.compile(r"(?P<device>.+)_(?P<kind>latency|energy|arithmetic_intensity)")


def import_hw_nas_bench(source: Path) -> pl.DataFrame:
    """Convert HW-NAS-Bench to a label table.

    Parameters
    ----------
    source : pathlib.Path
        ``HW-NAS-Bench-v1_0.pickle``, or a Parquet or CSV table with ``arch`` and
        ``<dataset>.<device>_<quantity>``.

    Returns
    -------
    polars.DataFrame
        ``arch``, and ``<dataset>.latency.<device>``, ``<dataset>.energy.<device>`` and
        ``<dataset>.arithmetic_intensity.<device>``. What a device could not run is null.

    Raises
    ------
    InvalidTableError
        If the file is missing or malformed, or has no such column.
    """
    is_pickle = source.suffix in PICKLES
    table = read_source(source, _table, read_plain_pickle) if is_pickle else read_file(source)
    if "arch" not in table.columns:
        raise InvalidTableError(f"{source} has no column 'arch'")
    labels = []
    for column in table.columns:
        dataset, name = split_column(column)
        if match := _COLUMN.fullmatch(name):
            target = f"{match['kind']}.{match['device']}"
            values = read_column(table[column].replace(-1.0, None), Target.of(target), source)
            labels.append(values.alias(f"{dataset}.{target}"))
    if not labels:
        raise InvalidTableError(f"{source}: expected columns <dataset>.<device>_latency or _energy")
    return pl.DataFrame([table["arch"], *labels])


def _table(content: Any) -> pl.DataFrame:
    """The part of the pickle on NAS-Bench-201; other parts have other architectures."""
    return join_by_arch(_dataset_table(*part) for part in content["nasbench201"].items())


def _dataset_table(dataset: str, part: dict[str, Any]) -> pl.DataFrame:
    configs = part["config"]
    configs = configs.values() if isinstance(configs, dict) else configs
    archs = [config["arch_str"] for config in configs]
    columns = {
        f"{dataset}.{name}": [float(value) for value in values]
        for name, values in part.items()
        if _COLUMN.fullmatch(name)
    }
    if any(len(values) != len(archs) for values in columns.values()):
        raise ValueError(f"{dataset} has columns of other lengths than {len(archs)}")
    return pl.DataFrame({"arch": archs} | columns)
