"""NAS-RobBench-201 (Wu et al., ICLR 2024): adversarially trained networks of NAS-Bench-201.

The file of results refers to the networks of ``meta.json`` beside it::

    meta.json                   {"ids": {"0": {"nb201-string": "|...|", "isomorph": "0"}, ...}}
    NAS-RobBench-201_all.json   {"cifar10": {"0": {"val_acc": {"1": 0.71, ..., "threeseed": 0.7},
                                                   "val_pgd_3.0_acc": {...},
                                                   "autoattack": 0.35}, ...}, ...}

Accuracies are shares, for each seed and for the mean of three. AutoAttack is at 8/255.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from acorn.errors import InvalidTableError
from training.labels.importers.source_files import read_isomorphs, read_source

META = "meta.json"
MEAN = "threeseed"

_DATASETS = {"imagenet": "ImageNet16-120", "imagenet16-120": "ImageNet16-120"}
_MEASURE = re.compile(r"(?:val_)?(?P<attack>[a-z]+)_(?P<eps>\d+(?:\.\d+)?)(?:_acc)?")


def import_nas_robbench(source: Path) -> pl.DataFrame:
    """Convert the results of NAS-RobBench-201 to a label table.

    Parameters
    ----------
    source : pathlib.Path
        The JSON file of results, with ``meta.json`` beside it; or a folder with these two.

    Returns
    -------
    polars.DataFrame
        One row for each architecture: ``arch``, and ``<dataset>.<target>`` in percent. The targets
        have no prefix ``adv.``; ``adv=FILE`` adds it when the table is read.

    Raises
    ------
    InvalidTableError
        If a file is missing or malformed; the message names it.
    """
    if source.is_dir():
        files = sorted(path for path in source.glob("*.json") if path.name != META)
        if len(files) != 1:
            got = ", ".join(path.name for path in files) or "none"
            raise InvalidTableError(
                f"{source}: got {got}; expected one JSON file of results beside {META}"
            )
        (source,) = files
    isomorphs = read_source(source.with_name(META), read_isomorphs)
    labels = read_source(source, _labels)
    columns = {
        name: [percents.get(isomorph) for isomorph in isomorphs.values()]
        for name, percents in labels.items()
    }
    if not columns:
        raise InvalidTableError(f"got {source}; expected accuracies of datasets in it")
    return pl.DataFrame({"arch": [*isomorphs]} | columns)


def _labels(content: Any) -> dict[str, dict[str, float]]:
    """Percent of each measured network, by column."""
    labels: dict[str, dict[str, float]] = {}
    for name, networks in content.items():
        dataset = _DATASETS.get(name.lower(), name)
        for id_, measures in networks.items():
            for measure, value in measures.items():
                if (target := _target(measure)) is not None:
                    labels.setdefault(f"{dataset}.{target}", {})[id_] = _percent(value)
    return labels


def _target(measure: str) -> str | None:
    if measure == "val_acc":
        return "clean"
    if measure == "autoattack":
        return "autoattack_linf_8"
    match = _MEASURE.fullmatch(measure)
    return match and f"{match['attack']}_linf_{float(match['eps']):g}"


def _percent(value: float | Mapping[str, float]) -> float:
    if isinstance(value, Mapping):
        value = value[MEAN] if MEAN in value else sum(value.values()) / len(value)
    if not 0 <= value <= 1:
        raise ValueError(f"got an accuracy of {value}; expected a share")
    return round(100 * value, 4)
