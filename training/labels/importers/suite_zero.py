"""The JSON files of NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022).

They hold proxies and the validation accuracy of architectures::

    {"cifar10": {"(4, 0, 3, 1, 4, 3)": {"synflow": {"score": 44.5, ...}, ..., "id": 1462,
                                        "val_accuracy": 88.1}, ...}, ...}
"""

from pathlib import Path
from typing import Any

import polars as pl

from acorn.datasets import canonical_name
from acorn.errors import InvalidArchitectureError, InvalidTableError
from acorn.spaces import get_space
from acorn.targets import Target
from training.labels.importers.source_files import join_by_arch, read_source
from training.labels.reading import read_column

ACCURACY = "val_accuracy"


def import_suite_zero(source: Path, *, small: bool = False) -> pl.DataFrame:
    """Convert a file of NAS-Bench-Suite-Zero to a table of labels and proxies.

    Parameters
    ----------
    source : pathlib.Path
        The JSON file.
    small : bool, default=False
        Whether to accept accuracies that are all at most 1; otherwise they are refused as
        fractions.

    Returns
    -------
    polars.DataFrame
        One row for each architecture: ``arch``, ``<dataset>.clean``, which is the accuracy on the
        validation set, and ``<dataset>.<proxy>``. Architectures of NAS-Bench-201 are spelled as
        in the space ``nats_tss``; those of other spaces are as in the file.

    Raises
    ------
    InvalidTableError
        If the file is missing or malformed.
    """
    tables = read_source(source, _tables)
    if not any(len(table) for table in tables):
        raise InvalidTableError(f"{source} has no architectures")
    table = join_by_arch(tables)
    return table.with_columns(
        read_column(table[name], Target.of("clean"), source, small=small)
        for name in table.columns
        if name.endswith(".clean")
    )


def _tables(content: Any) -> list[pl.DataFrame]:
    return [
        pl.DataFrame(
            [_row(canonical_name(name), arch, measures) for arch, measures in networks.items()],
            infer_schema_length=None,
        )
        for name, networks in content.items()
    ]


def _row(dataset: str, arch: str, measures: dict[str, Any]) -> dict[str, Any]:
    scores = {
        f"{dataset}.{name}": _number(value["score"])
        for name, value in measures.items()
        if isinstance(value, dict)
    }
    row = {"arch": _spelling(arch), f"{dataset}.clean": float(measures[ACCURACY])}
    return row | scores


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _spelling(arch: str) -> str:
    try:
        return get_space("nats_tss").parse(arch).arch
    except InvalidArchitectureError:
        return arch
