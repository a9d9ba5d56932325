"""The directories of NATS-Bench (Dong et al., TPAMI 2021), for topology and size.

``NATS-tss-v1_0-*-simple`` and ``NATS-sss-v1_0-*-simple`` hold pickles that bzip2 compressed::

    meta.pickle.pbz2     {"meta_archs": ["|...|", ...], ...}
    000000.pickle.pbz2   {"200": {"all_results": {("cifar10", 777): RESULT, ...},
                                  "dataset_seed": {"cifar10": [777, ...], ...}, ...},
                          "12": ...}

The keys of a record are the epochs of a training schedule. ``RESULT`` has ``epochs`` and
``eval_acc1es``, the accuracy in percent by name of the test set and epoch: ``"x-test@199"``.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from acorn.errors import InvalidTableError
from training.labels.importers.plain_pickle import read_plain_pickle
from training.labels.importers.source_files import read_source

TEST_SETS = {"cifar10": "ori-test", "cifar100": "x-test", "ImageNet16-120": "x-test"}
"""The test set of each dataset; the others are for validation."""

SUFFIX = ".pickle.pbz2"


def import_nats_bench(
    source: Path,
    *,
    epochs: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Convert a directory of NATS-Bench to a label table, one record after the other.

    Parameters
    ----------
    source : pathlib.Path
        A directory whose name ends in ``-simple``. Records may be missing.
    epochs : int, optional
        Epochs of the training schedule; by default the most that a record has: 200 for the
        topology, 90 for the size.
    on_progress : callable, optional
        Called with the numbers of records that were read and that there are.

    Returns
    -------
    polars.DataFrame
        One row for each record: ``index``, ``arch``, and ``<dataset>.clean`` in percent, the mean
        over seeds of the test accuracy after the last epoch.

    Raises
    ------
    InvalidTableError
        If a file is truncated, holds something else or lacks the schedule; the message names it.
    """
    archs: list[str] = read_source(
        source / f"meta{SUFFIX}", lambda meta: [*map(str, meta["meta_archs"])], read_plain_pickle
    )
    path_by_index = {
        int(name): path
        for path in source.glob(f"*{SUFFIX}")
        if (name := path.name.removesuffix(SUFFIX)).isdecimal()
    }
    if not path_by_index or max(path_by_index) >= len(archs):
        got = max(path_by_index.values(), default="no record")
        raise InvalidTableError(
            f"{source}: got {got}; expected records 000000{SUFFIX} and so on, of at most "
            f"{len(archs)} architectures"
        )
    rows = []
    for done, index in enumerate(sorted(path_by_index), start=1):
        accuracies = read_source(
            path_by_index[index], partial(_accuracies, epochs), read_plain_pickle
        )
        rows.append({"index": index, "arch": archs[index]} | accuracies)
        if on_progress is not None:
            on_progress(done, len(path_by_index))
    labels = [f"{dataset}.clean" for dataset in TEST_SETS]
    types = {"index": pl.Int64, "arch": pl.String, **dict.fromkeys(labels, pl.Float64)}
    table = pl.DataFrame(rows, schema=types)
    return table.select("index", "arch", *(name for name in labels if table[name].count()))


def _accuracies(epochs: int | None, record: Mapping[str, Any]) -> dict[str, float | None]:
    """Test accuracy on each dataset after a training schedule."""
    by_epochs = {int(key): results for key, results in record.items()}
    chosen = max(by_epochs) if epochs is None else epochs
    if chosen not in by_epochs:
        known = ", ".join(map(str, sorted(by_epochs)))
        raise ValueError(f"no results after {chosen} epochs; expected one of {known}")
    seeds, results = by_epochs[chosen]["dataset_seed"], by_epochs[chosen]["all_results"]
    return {
        f"{dataset}.clean": _mean(
            [
                result["eval_acc1es"][f"{test_set}@{int(result['epochs']) - 1}"]
                for result in (results[dataset, seed] for seed in seeds.get(dataset, ()))
            ]
        )
        for dataset, test_set in TEST_SETS.items()
    }


def _mean(percents: list[float]) -> float | None:
    if not all(0 <= percent <= 100 for percent in percents):
        raise ValueError(f"got accuracies {percents}; expected percent")
    return round(sum(percents) / len(percents), 4) if percents else None
