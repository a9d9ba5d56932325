"""Score Acorn under published protocols: ``python -m benchmarks.protocols``.

All scores use the same model (the composition ``blend``, trained on one row for each equivalence
class), the same features and the same labels of clean accuracy. The protocols are:

1. 80/20 split of the rows at random;
2. 80/20 split by isomorphism class;
3. 80/20 split by equivalence class;
4. the random split, scored on test rows stratified by accuracy: 20 bins of equal width with up to
   30 rows each;
5. 1,024 random rows of the cells with published proxies (protocol of GRAF), scored on all other
   rows;
6. 100 equivalence classes (mean of 20 draws), scored on all other classes;
7. the protocol of Lukasik et al. (GCPR 2023): a random forest of 100 trees on the thirteen
   published proxies, random 80/20 split of the published cells, for clean and robust accuracy, and
   our model on the same rows;
8. proxies alone, as GreenFactory has it: a random forest of 100 trees, default hyper-parameters,
   on the rows as they are, under protocols 1 to 3; and on one row for each equivalence class, as
   the bundle ``nats_tss-cifar10-proxies`` is trained.

Writes ``benchmarks/results/protocols.json``. With names such as ``nats_tss-cifar10``, only these
bundles are measured, and the other entries are kept.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from acorn.features.feature_table import FeatureTable
from acorn.forests import bounded
from acorn.learning.evaluation_metrics import explained, tau
from acorn.learning.feature_sets import feature_sets
from acorn.learning.fitting import Configuration, fit_forests
from acorn.learning.smoothing import expected_scores
from acorn.spaces import get_space
from benchmarks.release import RELEASED

SPACES = ("nats_tss", "nats_sss")
DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
PROXIES = "nats_tss-cifar10-proxies"
ALONE = "proxies alone"
BUNDLES = [*(f"{space}-{dataset}" for space in SPACES for dataset in DATASETS), PROXIES]
RESULTS = Path("benchmarks/results/protocols.json")
TEST = 0.2
BINS, ROWS_A_BIN = 20, 30
MANY = 10_000
COMPUTED = 0.95
"""Share of values that must be there for proxies to be read beside structure."""
GRAF_ROWS = 1024
ROBUST = (
    "clean", "fgsm_linf_1.0", "pgd_linf_1.0", "apgd_ce_linf_1.0", "square_linf_1.0",
)  # fmt: skip

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Labelled architectures and their equivalence classes.

    Attributes
    ----------
    X
        Features of all classes, shape (classes, features).
    function
        Number of the class of each row.
    y
        Label of each row, in percent.
    """

    X: np.ndarray
    function: Numbers
    y: np.ndarray

    def once(self) -> "Rows":
        """Return one row for each class with rows: their mean label."""
        functions, row = np.unique(self.function, return_inverse=True)
        return Rows(self.X, functions, np.bincount(row, self.y) / np.bincount(row))

    def of(self, rows: Numbers) -> "Rows":
        """Return some of the rows."""
        return Rows(self.X, self.function[rows], self.y[rows])

    def predicted(self, train: Numbers, columns: Sequence[int]) -> np.ndarray:
        """Predict all rows from some: mean of trees on plain and on smooth labels."""
        known = self.of(train).once()
        configuration = Configuration(min_samples_leaf=3 if len(known.y) > MANY else 1)
        X, y = self.X[known.function], known.y[:, None]
        forest = fit_forests(X, y, [(0,)], columns, configuration, seed=0, n_jobs=-1)
        none = np.empty((len(y), 0))
        made = expected_scores(self.X[:, columns], known.function, y, none, seed=0).smoothed()
        value = (forest.distribution(self.X, [0])[0] + made.value) / 2
        return value[self.function, 0]

    def tau(self, train: Numbers, test: Numbers, columns: Sequence[int]) -> float:
        """Return the tau of some rows, predicted from others."""
        return tau(self.y[test], self.predicted(train, columns)[test])


def split(groups: Numbers, seed: int) -> tuple[Numbers, Numbers]:
    """Split rows into training and test rows, with no group on both sides."""
    names = np.unique(groups)
    held = np.random.default_rng(seed).permutation(names)[: int(TEST * len(names))]
    inside = np.isin(groups, held)
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def stratified(y: np.ndarray, seed: int) -> Numbers:
    """Return up to 30 rows of each of 20 bins of equal width."""
    edges = np.linspace(y.min(), y.max(), BINS + 1)
    bins = np.clip(np.digitize(y, edges) - 1, 0, BINS - 1)
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(np.flatnonzero(bins == b))[:ROWS_A_BIN] for b in range(BINS)]
    return np.concatenate(parts)


def labelled(
    space: str, dataset: str, archs: Sequence[str], y: np.ndarray
) -> tuple[Rows, dict[str, Any]]:
    """Return rows of architectures, and the feature sets of their columns."""
    table = FeatureTable.read(RELEASED / f"{space}-{dataset}" / "features.parquet")
    owner = get_space(space)
    place = {id_: row for row, id_ in enumerate(table.ids)}
    function = np.array([place[owner.parse(arch).id] for arch in archs])
    return Rows(bounded(table.matrix(table.feature_names)), function, y), feature_sets(
        table.feature_names
    )


def measured(shared: Path, space: str, dataset: str, seed: int) -> Iterator[tuple[str, int, float]]:
    """Yield protocol, number of training rows and tau for each protocol of the space."""
    labels = pl.read_parquet(shared / f"benchmarks/{space}_clean.parquet")
    labels = labels.drop_nulls(f"{dataset}.clean")
    y = labels[f"{dataset}.clean"].to_numpy()
    rows, sets = labelled(space, dataset, labels["arch"].to_list(), y)
    columns = sets.get("space", sets["structure"])
    train, test = split(np.arange(len(y)), seed)
    value = rows.predicted(train, columns)
    yield "rows at random", len(train), tau(y[test], value[test])
    few = test[stratified(y[test], seed)]
    yield "the same, stratified by accuracy", len(train), tau(y[few], value[few])
    if space != "nats_tss":
        return
    train, test = split(labels["isomorphism_class"].to_numpy(), seed)
    yield "by isomorphism class", len(train), rows.tau(train, test, columns)
    train, test = split(rows.function, seed)
    yield "by function, all rows", len(train), rows.tau(train, test, columns)
    once = rows.once()
    train, test = split(np.arange(len(once.y)), seed)
    yield "by function, one row each", len(train), once.tau(train, test, columns)
    dear = sets.get("space_and_proxies", columns)
    both = dear if np.isfinite(rows.X[:, dear]).mean() > COMPUTED else columns
    orders = [np.random.default_rng(draw).permutation(len(once.y)) for draw in range(20)]
    taus = [once.tau(each[:100], each[100:], both) for each in orders]
    yield "100 functions, mean of 20 draws", 100, float(np.mean(taus))
    oracle = pl.read_parquet(shared / "oracles/naslib_proxies_nats_tss_cifar10.parquet")
    inside = np.flatnonzero(labels["arch"].is_in(oracle["arch"].to_list()).to_numpy())
    order = inside[np.random.default_rng(seed).permutation(len(inside))]
    few_taus = rows.tau(order[:GRAF_ROWS], order[GRAF_ROWS:], columns)
    yield "1,024 rows of the published cells", GRAF_ROWS, few_taus


def proxies_alone(shared: Path, seed: int) -> Iterator[tuple[str, int, float]]:
    """Yield protocol, number of training rows and tau of a random forest on proxies."""
    labels = pl.read_parquet(shared / "benchmarks/nats_tss_clean.parquet")
    labels = labels.drop_nulls("cifar10.clean")
    archs, y = labels["arch"].to_list(), labels["cifar10.clean"].to_numpy()
    rows, sets = labelled("nats_tss", "cifar10", archs, y)
    configuration = Configuration(algorithm="random_forest")

    def score(rows: Rows, train: Numbers, test: Numbers) -> float:
        known, y = rows.of(train), rows.y[:, None]
        forest = fit_forests(
            rows.X[known.function],
            y[train],
            [(0,)],
            sets["proxies"],
            configuration,
            seed=seed,
            n_jobs=-1,
        )
        value = forest.distribution(rows.X[rows.function[test]], [0])[0]
        return tau(rows.y[test], value[:, 0])

    once = rows.once()
    for protocol, part, groups in (
        ("rows at random", rows, np.arange(len(y))),
        ("by isomorphism class", rows, labels["isomorphism_class"].to_numpy()),
        ("by function, all rows", rows, rows.function),
        ("by function, one row each", once, np.arange(len(once.y))),
    ):
        train, test = split(groups, seed)
        yield f"{ALONE}, {protocol}", len(train), score(part, train, test)


def lukasik(shared: Path, seed: int) -> Iterator[tuple[str, str, int, float, float]]:
    """Yield target, model, number of training rows, tau and R2, on the same rows for each model."""
    names = [f"cifar10.{target}" for target in ROBUST]
    files = ("nats_tss_clean", "nats_tss_robust_standard_training")
    clean, robust = (pl.read_parquet(shared / f"benchmarks/{file}.parquet") for file in files)
    proxies = pl.read_parquet(shared / "oracles/naslib_proxies_nats_tss_cifar10.parquet")
    rows = (
        proxies.join(clean.select("arch", names[0]), on="arch")
        .join(robust.select("arch", *names[1:]), on="arch")
        .drop_nulls(names)
    )
    published = bounded(rows.select(proxies.columns[1:]).to_numpy().astype(np.float32))
    ours, sets = labelled("nats_tss", "cifar10", rows["arch"].to_list(), rows[names[0]].to_numpy())
    train, test = split(np.arange(len(rows)), seed)
    for target, name in zip(ROBUST, names, strict=True):
        y = rows[name].to_numpy()
        forest = RandomForestRegressor(100, random_state=seed, n_jobs=-1)
        value = forest.fit(published[train], y[train]).predict(published[test])
        yield target, "thirteen proxies", len(train), tau(y[test], value), explained(y[test], value)
        value = replace(ours, y=y).predicted(train, sets["space"])[test]
        yield target, "our structure", len(train), tau(y[test], value), explained(y[test], value)


def entry(
    protocol: str, where: Sequence[str], split: str, value: float, **more: str
) -> dict[str, Any]:
    """Return a score in the form that ``acorn evaluate --report --protocols`` reads."""
    space, dataset, target = where
    return {
        "protocol": protocol, "space": space, "dataset": dataset, "target": target,
        "split": split, "value": round(value, 4), **more,
    }  # fmt: skip


def measurement(entry: dict[str, Any]) -> tuple[object, ...]:
    """Return what is measured together with an entry."""
    return entry["protocol"], entry["space"], entry["dataset"], entry["split"].startswith(ALONE)


def measure(shared: Path, names: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Measure the named bundles, and print the scores."""
    found = []
    for space in SPACES:
        for dataset in DATASETS:
            if f"{space}-{dataset}" not in names:
                continue
            for protocol, rows, score in measured(shared, space, dataset, seed):
                print(f"{space:10s} {dataset:15s} {protocol:36s} {rows:6d} {score:.3f}", flush=True)
                found.append(
                    entry(
                        "graf-1024" if rows == GRAF_ROWS else "greenfactory",
                        (space, dataset, "clean"),
                        f"{protocol}, {rows} to train",
                        score,
                    )
                )
    if PROXIES in names:
        for protocol, rows, score in proxies_alone(shared, seed):
            print(f"nats_tss   cifar10         {protocol:40s} {rows:6d} {score:.3f}", flush=True)
            where = ("nats_tss", "cifar10", "clean")
            found.append(entry("greenfactory", where, f"{protocol}, {rows} to train", score))
    if "nats_tss-cifar10" not in names:
        return found
    print("\nProtocol of Lukasik et al., CIFAR-10, random rows: tau and R2")
    for target, features, rows, score, r2 in lukasik(shared, seed):
        print(f"{target:18s} {features:16s} {rows:6d} {score:.3f} {r2:.3f}", flush=True)
        where = ("nats_tss", "cifar10", target)
        how = f"{features}, {rows} to train"
        found.append(entry("lukasik", where, how, score, measure="kendall_tau"))
        found.append(entry("lukasik", where, how, r2, measure="r2"))
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="bundles; all of these spaces when none is named")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if unknown := set(options.names) - set(BUNDLES):
        parser.error(f"got {', '.join(sorted(unknown))}; expected some of {', '.join(BUNDLES)}")
    found = measure(options.shared, options.names or BUNDLES, options.seed)
    if options.names:
        again = set(map(measurement, found))
        found += [e for e in json.loads(RESULTS.read_text()) if measurement(e) not in again]
        found.sort(
            key=lambda e: (
                e["protocol"] == "lukasik",
                SPACES.index(e["space"]),
                DATASETS.index(e["dataset"]),
                e["split"].startswith(ALONE),
            )
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
