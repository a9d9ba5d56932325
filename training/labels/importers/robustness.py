"""The robustness dataset of NAS-Bench-201 (Jung, Lukasik and Keuper, ICLR 2023), as released.

The folder holds ``meta.json`` and, for each dataset, a file ``<dataset>/<attack>_accuracy.json``::

    meta.json                  {"ids": {"0": {"nb201-string": "|...|", "isomorph": "0"}, ...},
                                "epsilons": {"pgd@Linf": [0.1, ...], ...}}
    cifar10/pgd@Linf_...json   {"cifar10": {"pgd@Linf": {"accuracy": {"0": [0.81, ...], ...}}}}

Accuracies are shares. Attacks have one for each budget (in /255), corruptions one for each
severity, whose mean is the label, and ``clean`` has one. Only one network of each isomorphism class
was measured; the others refer to it by ``isomorph``.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from acorn.errors import InvalidTableError
from training.labels.importers.source_files import read_isomorphs, read_source

ATTACKS = {
    "aa_apgd-ce@Linf": "apgd_ce_linf",
    "aa_square@Linf": "square_linf",
    "fgsm@Linf": "fgsm_linf",
    "pgd@Linf": "pgd_linf",
}
CLEAN = "clean"

_SUFFIX = "_accuracy.json"


def import_robustness(source: Path) -> pl.DataFrame:
    """Convert a folder of the dataset to a label table.

    Parameters
    ----------
    source : pathlib.Path
        Folder of the dataset.

    Returns
    -------
    polars.DataFrame
        One row for each architecture: ``arch``, and ``<dataset>.<target>`` in percent.

    Raises
    ------
    InvalidTableError
        If a file is missing or malformed; the message names it.
    """
    isomorphs, budgets = read_source(
        source / "meta.json", lambda meta: (read_isomorphs(meta), dict(meta["epsilons"]))
    )
    columns: dict[str, list[Any]] = {"arch": [*isomorphs]}
    for path in sorted(source.glob(f"*/*{_SUFFIX}")):
        dataset, measure = path.parent.name, path.name.removesuffix(_SUFFIX)
        labels = read_source(path, partial(_labels, dataset, measure, budgets))
        columns |= {
            f"{dataset}.{target}": [percents.get(isomorph) for isomorph in isomorphs.values()]
            for target, percents in labels.items()
        }
    if len(columns) == 1:
        raise InvalidTableError(f"got {source}; expected files <dataset>/<attack>{_SUFFIX} in it")
    return pl.DataFrame(columns)


def _labels(
    dataset: str, measure: str, budgets: Mapping[str, list[float]], content: Any
) -> dict[str, dict[str, float]]:
    """Percent of each measured network, for each target of a file."""
    accuracy = content[dataset][measure]["accuracy"]
    if measure in ATTACKS:
        targets = [f"{ATTACKS[measure]}_{float(eps)}" for eps in budgets[measure]]
        shares = accuracy
    elif measure == CLEAN:
        targets, shares = [CLEAN], {id_: [share] for id_, share in accuracy.items()}
    else:
        targets = [f"corruption_{measure}"]
        shares = {id_: [sum(values) / len(values)] for id_, values in accuracy.items()}
    if any(len(values) != len(targets) for values in shares.values()):
        raise ValueError(f"expected {len(targets)} budgets")
    return {
        target: {id_: round(100 * values[place], 4) for id_, values in shares.items()}
        for place, target in enumerate(targets)
    }
