"""Evaluate ranks without labels on populations with labels: ``python -m benchmarks.leave_one_out``.

The populations are the three labelled spaces on CIFAR-10, about 520 equivalence classes each, and
the families of real networks with eight networks or more (ImageNet, no pretraining, one row for a
network and image size, structure features only). Each is ranked by the prior of the learner for few
labels, which knows none of its labels. Beside it is the parameter count. The deviation of the
normal scores of accuracy from those of the prior is printed for each population, and the coverage
of 90% intervals whose deviation is the root mean square over all other populations.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from acorn.features.feature_table import FeatureTable, row_id
from acorn.forests import bounded
from acorn.learning.evaluation_metrics import tau
from acorn.learning.few_labels import prior_ranks
from benchmarks.correlations import SPACES
from benchmarks.few_labels import Population
from benchmarks.release import RELEASED

LEAST = 8
"""Least networks of a family."""

QUANTILE = float(ndtri(0.95))
PARAMS = ("params", "graph.log_params")

Floats = NDArray[np.float64]
Ranked = tuple[NDArray[np.float32], list[str], Floats]


def families(shared: Path) -> dict[str, Ranked]:
    """Return features, names of features and accuracies of the networks of each family."""
    table = FeatureTable.read(RELEASED / "universal-imagenet1k" / "features.parquet")
    rows = (
        pl.read_parquet(shared / "benchmarks/imagenet_timm.parquet")
        .filter(pl.col("pretraining") == "none")
        .group_by("family", "arch", "image_size")
        .agg(pl.col("imagenet1k.clean").mean())
        .sort("family", "arch", "image_size")
    )
    ids = [
        row_id(f"timm/{arch}", "imagenet1k", size)
        for arch, size in rows.select("arch", "image_size").iter_rows()
    ]
    rows = rows.with_columns(id=pl.Series(ids)).filter(pl.Series(key in table for key in ids))
    names = table.feature_names
    return {
        str(family): (
            bounded(table.matrix(names, part["id"].to_list())),
            names,
            part["imagenet1k.clean"].to_numpy(),
        )
        for (family,), part in rows.group_by("family", maintain_order=True)
        if len(part) >= LEAST
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    options = parser.parse_args()

    populations: dict[str, Ranked] = {}
    for space in SPACES:
        both = Population.read(space, options.shared)
        for kind, part in ((", with proxies", both), ("", both.with_proxies())):
            populations[f"{space}{kind}"] = part.X, part.names, part.Y[:, 0]
    real = families(options.shared)
    populations |= real

    taus, params, errors = {}, {}, {}
    for name, (X, names, y) in populations.items():
        size = X[:, [names.index(column) for column in PARAMS if column in names]]
        percentiles = prior_ranks(X, names)
        taus[name], params[name] = tau(y, percentiles), tau(y, size[:, 0].astype(float))
        order = y.argsort(kind="stable").argsort(kind="stable")
        errors[name] = ndtri((order + 0.5) / len(y)) - ndtri(percentiles / 100)
    square = {name: np.square(error).mean() for name, error in errors.items()}
    head = "".join(f"{column:>10s}" for column in ("networks", "tau", "params", "deviation"))
    print(f"{'population':28s}{head}{'cover':>10s}")
    for name, error in errors.items():
        others = np.sqrt(np.mean([square[other] for other in square if other != name]))
        covered = (np.abs(error) <= QUANTILE * others).mean()
        shown = f"{taus[name]:10.3f}{params[name]:10.3f}{np.sqrt(square[name]):10.3f}"
        print(f"{name:28s}{len(error):10d}{shown}{covered:10.3f}")
    means = [np.mean([values[name] for name in real]) for values in (taus, params)]
    print(f"{'mean of the families':28s}{len(real):10d}{means[0]:10.3f}{means[1]:10.3f}")


if __name__ == "__main__":
    main()
