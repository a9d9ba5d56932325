"""NAS-Bench-301 (Zela et al., ICLR 2022): trained networks of the DARTS space.

The folder ``nb_301_*`` has one file for each training run, in the folder of the optimizer that
proposed the architecture, ``<optimizer>/results_<number>.json``::

    {"optimized_hyperparamater_config": {"NetworkSelectorDatasetInfo:darts:edge_normal_0": "...",
                                         "NetworkSelectorDatasetInfo:darts:inputs_node_normal_3":
                                         "0_1", ..., "NetworkSelectorDatasetInfo:darts:layers": 8},
     "budget": 98.0, "info": [{"val_accuracy": 91.1, ...}], "test_accuracy": 90.8, ...}

The spelling of the first key is that of the files. Accuracies are percent on CIFAR-10. Edges are
numbered node by node: 0 and 1 lead to node 2, 2 to 4 to node 3, and so on.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from acorn.errors import InputError, InvalidTableError
from acorn.spaces import get_space
from acorn.strict_json import parse_json
from acorn.targets import Target
from training.labels.importers.source_files import read_source
from training.labels.reading import read_column

MOST_BYTES = 2**24
"""Largest file of one run."""

LABEL = "cifar10.clean"
VALIDATION = "cifar10.val_accuracy"
PREFIX = "NetworkSelectorDatasetInfo:darts:"
EPOCHS = "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max"

_CONFIG = "optimized_hyperparam"
_NODES = range(2, 6)


def import_nasbench301(
    source: Path, *, on_progress: Callable[[int, int], None] | None = None
) -> pl.DataFrame:
    """Convert results of NAS-Bench-301 to a label table, one file after the other.

    Parameters
    ----------
    source : pathlib.Path
        A folder, whose files ``results_*.json`` at any depth are read, or one file.
    on_progress : callable, optional
        Called with the numbers of files that were read and that there are.

    Returns
    -------
    polars.DataFrame
        One row for each run: ``arch``, a genotype; ``cifar10.clean``, the test accuracy in percent;
        ``cifar10.val_accuracy``, which label tables ignore; ``epochs``, ``layers`` and
        ``init_channels``, where a file has them; and ``optimizer``, the folder of the file.

    Raises
    ------
    InvalidTableError
        If a file is truncated, too large or malformed; the message names it.
    """
    files = sorted(source.rglob("results_*.json")) if source.is_dir() else [source]
    if not files:
        raise InvalidTableError(f"{source}: got no results_*.json; expected one for each run")
    rows: list[dict[str, Any]] = []
    for done, path in enumerate(files, start=1):
        optimizer = path.resolve().parent.name
        rows += [row | {"optimizer": optimizer} for row in read_source(path, _rows, _load)]
        if on_progress is not None:
            on_progress(done, len(files))
    types = {
        "arch": pl.String,
        LABEL: pl.Float64,
        VALIDATION: pl.Float64,
        "epochs": pl.Int64,
        "layers": pl.Int64,
        "init_channels": pl.Int64,
        "optimizer": pl.String,
    }
    table = pl.DataFrame(rows, schema=types)
    return table.with_columns(read_column(table[LABEL], Target.of("clean"), source)).select(
        name for name in types if table[name].count()
    )


def _load(path: Path) -> object:
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"got {size} bytes; expected at most {MOST_BYTES}")
    try:
        return parse_json(path.read_bytes())
    except InputError as error:
        raise ValueError(str(error)) from None


def _rows(content: Any) -> list[dict[str, Any]]:
    """Read one run, or a list of them."""
    return [_row(run) for run in (content if isinstance(content, list) else [content])]


def _row(run: Mapping[str, Any]) -> dict[str, Any]:
    config = next((value for key, value in run.items() if key.startswith(_CONFIG)), None)
    if config is None:
        raise ValueError("got no optimized_hyperparamater_config; expected one")
    info = run.get("info") or [{}]
    return {
        "arch": _genotype(config),
        LABEL: _percent(run["test_accuracy"]),
        VALIDATION: _percent(info[0].get("val_accuracy")),
        "epochs": _whole(config.get(EPOCHS, run.get("budget"))),
        "layers": _whole(config.get(f"{PREFIX}layers")),
        "init_channels": _whole(config.get(f"{PREFIX}init_channels")),
    }


def _genotype(config: Mapping[str, Any]) -> str:
    """Write the architecture of a configuration as a genotype."""
    cells = {kind: [*_edges(config, kind)] for kind in ("normal", "reduce")}
    concat = [*_NODES]
    text = (
        f"Genotype(normal={cells['normal']}, normal_concat={concat}, "
        f"reduce={cells['reduce']}, reduce_concat={concat})"
    )
    try:
        return get_space("darts").parse(text).arch
    except InputError as error:
        raise ValueError(str(error)) from None


def _edges(config: Mapping[str, Any], kind: str) -> Iterator[tuple[str, int]]:
    first = 0  # number of the first edge that leads to the node
    for node in _NODES:
        inputs = "0_1" if node == 2 else config[f"{PREFIX}inputs_node_{kind}_{node}"]
        sources = sorted({int(source) for source in inputs.split("_")})
        if len(sources) != 2 or not 0 <= sources[0] < sources[1] < node:
            raise ValueError(f"got inputs {inputs!r} of node {node}; expected two nodes before it")
        for source in sources:
            yield str(config[f"{PREFIX}edge_{kind}_{first + source}"]), source
        first += node


def _percent(value: Any) -> float | None:  # noqa: ANN401, RUF100
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ValueError(f"got an accuracy of {value!r:.50}; expected percent")
    return float(value)


def _whole(value: Any) -> int | None:  # noqa: ANN401, RUF100
    if value is not None and not 0 <= value < 2**31:
        raise ValueError(f"got {value!r:.50}; expected a number of epochs, layers or channels")
    return None if value is None else int(value)
