"""The robustness dataset of NAS-Bench-201 (Jung, Lukasik and Keuper, ICLR 2023), as released.

The folder holds ``meta.json`` and, for each dataset, a file ``<dataset>/<attack>_accuracy.json``::

    meta.json                  {"ids": {"0": {"nb201-string": "|...|", "isomorph": "0"}, ...},
                                "epsilons": {"pgd@Linf": [0.1, ...], ...}}
    cifar10/pgd@Linf_...json   {"cifar10": {"pgd@Linf": {"accuracy": {"0": [0.81, ...], ...}}}}

Accuracies are shares. Attacks have one a budget (in /255), corruptions one a severity, of which the
label is the mean, and ``clean`` has a single one. Only one network of each isomorphism class was
measured: the others point to it by ``isomorph``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from acorn.errors import InvalidTableError

ATTACKS = {
    "aa_apgd-ce@Linf": "apgd_ce_linf",
    "aa_square@Linf": "square_linf",
    "fgsm@Linf": "fgsm_linf",
    "pgd@Linf": "pgd_linf",
}
CLEAN = "clean"

_SUFFIX = "_accuracy.json"


def import_robustness(source: Path) -> pl.DataFrame:
    """Read a folder of the dataset into a label table, one row an architecture.

    Raises
    ------
    InvalidTableError
        If a file is missing or not as above; says which.
    """
    meta = _read(source / "meta.json")
    try:
        networks = {id_: (m["nb201-string"], m["isomorph"]) for id_, m in meta["ids"].items()}
        budgets: Mapping[str, list[float]] = meta["epsilons"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidTableError(f"{source / 'meta.json'} is malformed: {error!r}") from error
    columns: dict[str, dict[str, float]] = {}
    for path in sorted(source.glob(f"*/*{_SUFFIX}")):
        dataset, measure = path.parent.name, path.name.removesuffix(_SUFFIX)
        try:
            accuracy = _read(path)[dataset][measure]["accuracy"]
            found = _labels(measure, accuracy, budgets)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidTableError(f"{path} is malformed: {error!r}") from error
        columns |= {f"{dataset}.{target}": labels for target, labels in found.items()}
    if not columns:
        raise InvalidTableError(f"got {source}; expected files <dataset>/<attack>{_SUFFIX} in it")
    return pl.DataFrame(
        {"arch": [arch for arch, _ in networks.values()]}
        | {
            name: [labels.get(isomorph) for _, isomorph in networks.values()]
            for name, labels in columns.items()
        }
    )


def _labels(
    measure: str, accuracy: Mapping[str, Any], budgets: Mapping[str, list[float]]
) -> dict[str, dict[str, float]]:
    """Percent of each measured network, for each target of a file."""
    if measure == CLEAN:
        return {CLEAN: {id_: _percent(value) for id_, value in accuracy.items()}}
    if measure in ATTACKS:
        columns = dict(enumerate(budgets[measure]))
        if any(len(values) != len(columns) for values in accuracy.values()):
            raise ValueError(f"expected {len(columns)} budgets")
        return {
            f"{ATTACKS[measure]}_{float(eps)}": {
                id_: _percent(values[place]) for id_, values in accuracy.items()
            }
            for place, eps in columns.items()
        }
    return {
        f"corruption_{measure}": {
            id_: _percent(sum(values) / len(values)) for id_, values in accuracy.items()
        }
    }


def _percent(share: float) -> float:
    return round(100 * share, 4)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InvalidTableError(f"there is no {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidTableError(f"{path} is not valid JSON: {error}") from error
