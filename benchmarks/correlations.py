"""Measure how well each proxy ranks networks: ``python -m benchmarks.correlations``.

For every registered proxy: Kendall tau and Spearman rho with clean and robust accuracy on about 500
equivalence classes of each labelled space, rank correlation between two seeds (on 200 of these
classes), and processor milliseconds. One row for each class; the embedded batch of 16 images.
Published figures are over *cells*, so the last table has ours over all labelled cells of the
sampled classes. If the published proxy values are available, both figures are over the cells with
such a value.

The proxies are read from the tables in ``benchmarks/features``; ``--compute`` first computes
missing values, which takes hours.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import torch
from scipy.stats import kendalltau, spearmanr

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.features.feature_table import FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.learning.labels import Labels
from acorn.progress import progress
from acorn.proxies import list_proxies, run
from acorn.spaces import get_space
from benchmarks.published_figures import PUBLISHED
from benchmarks.release import find_release
from training.features.compute import compute_features

TABLES = Path(__file__).parent / "features"
BATCH_SIZE = 16
SPACES = ("nats_tss", "nats_sss", "nasbench_macro")
TARGETS = ("clean", "pgd_linf_1.0", "adv.pgd_linf_8")
MANY, REPEATED = 500, 200
FLOOR = 0.5
"""Proxies with a smaller rank correlation between two seeds are marked."""


def path(space: str, seed: int = 0) -> Path:
    """Return the path of the proxy table of a space."""
    return TABLES / f"{space}-seed{seed}.parquet"


def compute(space: str, seed: int) -> None:
    """Compute missing proxies of the classes in the table; the second seed uses 200 of them."""
    archs = FeatureTable.read(path(space)).frame["arch"].to_list()
    archs = archs[:REPEATED] if seed else archs
    recipe = FeatureRecipe.create("cifar10", batch_size=BATCH_SIZE, seed=seed)
    with progress(f"{space}, seed {seed}") as on_progress:
        compute_features(recipe, space, archs, path(space, seed), on_progress=on_progress)


def correlation(pairs: pl.DataFrame, one: str, other: str) -> tuple[float, float, int]:
    """Return Kendall tau, Spearman rho and the number of rows with both values."""
    if not {one, other} <= {*pairs.columns}:
        return float("nan"), float("nan"), 0
    both = pairs.select(one, other).drop_nulls().drop_nans()
    if len(both) < 3 or both[one].n_unique() < 2:
        return float("nan"), float("nan"), len(both)
    values = both[one].to_numpy(), both[other].to_numpy()
    return float(kendalltau(*values).statistic), float(spearmanr(*values).statistic), len(both)


def milliseconds(names: Sequence[str], cells: int) -> dict[str, float]:
    """Measure the processor milliseconds of each proxy alone: median of a few cells, one thread."""
    torch.set_num_threads(1)
    space, dataset = get_space("nats_tss"), get_dataset("cifar10")
    batch = embedded_batch(dataset, size=BATCH_SIZE)
    networks = []
    for spec in space.sample(cells, seed=1):
        torch.manual_seed(0)
        networks.append(space.build(space.parse(spec).canonical, dataset))
    found = {}
    for name in names:
        spent = []
        for network in [networks[0], *networks]:  # the first one warms up
            start = time.process_time()
            run(network, batch.images, batch.labels, num_classes=10, proxies=[name])
            spent.append(1e3 * (time.process_time() - start))
        found[name] = sorted(spent[1:])[cells // 2]
    return found


def rows(frames: dict[str, pl.DataFrame], labels: dict[str, Labels]) -> Iterator[list[str]]:
    """Return the rows of the first table, one for each proxy, without the last columns."""
    joined = {
        space: frames[space].join(labels[space].by_function().frame.drop("arch"), on="id")
        for space in frames
    }
    for name in list_proxies():
        row = [f"`{name}`"]
        for pairs in joined.values():
            for target in (t for t in TARGETS if t in pairs.columns):
                tau, rho, n = correlation(pairs, name, target)
                shown = f"{tau:.2f} / {rho:.2f}" if n else "not computed"
                row.append(shown + (f" ({n})" if 0 < n < MANY else ""))
        yield row


def show(head: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    for line in (head, ["---"] * len(head), *body):
        sys.stdout.write("| " + " | ".join(line) + " |\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--compute", action="store_true", help="compute missing proxies first")
    parser.add_argument("--timed-cells", type=int, default=3)
    options = parser.parse_args()

    if options.compute:
        for space, seed in (*((space, 0) for space in SPACES), ("nats_tss", 1)):
            compute(space, seed)
    labels = {
        space: find_release(f"{space}-cifar10").read_labels(options.shared) for space in SPACES
    }
    frames = {space: FeatureTable.read(path(space)).frame for space in SPACES}
    names = list_proxies()

    seeds = frames["nats_tss"]
    if path("nats_tss", 1).exists():
        other = FeatureTable.read(path("nats_tss", 1)).frame
        seeds = seeds.join(other, on="id", suffix=" again")
    stability = {name: correlation(seeds, name, f"{name} again")[1] for name in names}
    spent = milliseconds(names, options.timed_cells)
    counts = ", ".join(f"{space} {len(frame)}" for space, frame in frames.items())
    print(f"tau / rho on functions ({counts}; in brackets where fewer); seed: rho of two seeds\n")
    show(
        [
            "proxy",
            *(f"TSS {target}" for target in TARGETS),
            "SSS clean",
            "Macro clean",
            "seed",
            "ms",
        ],
        [
            [*row, mark(stability[name]), f"{spent[name]:.0f}"]
            for name, row in zip(names, rows(frames, labels), strict=True)
        ],
    )
    print("\nPublished figures, over cells, and ours over labelled cells of the functions:\n")
    show(
        ["proxy", "space", "measure", "published", "ours", "reason for the difference"],
        [*published(frames, labels, options.shared)],
    )


def mark(rho: float) -> str:
    """Format the rank correlation between two seeds, with a star if the proxy is unstable."""
    return "not computed" if rho != rho else f"{rho:.2f}" + ("*" if rho < FLOOR else "")


def published(
    frames: dict[str, pl.DataFrame], labels: dict[str, Labels], shared: Path
) -> Iterator[list[str]]:
    """Return one row for each published figure."""
    oracle = pl.read_parquet(shared / "oracles/naslib_proxies_nats_tss_cifar10.parquet")
    for figure in PUBLISHED:
        pairs = frames[figure.space].drop("arch").join(labels[figure.space].frame, on="id")
        theirs = figure.value
        if theirs is None:  # from the published values themselves, which some cells have
            values = oracle.select("arch", pl.col(figure.proxy).alias("theirs"))
            pairs = pairs.join(values, on="arch")
            theirs = correlation(pairs, "theirs", figure.target)[figure.measure == "rho"]
        ours = correlation(pairs, figure.proxy, figure.target)[figure.measure == "rho"]
        differs = abs(ours - theirs) > 0.05
        if ours != ours:
            continue
        yield [
            f"`{figure.proxy}`", f"{figure.space} {figure.target}", figure.measure,
            f"{theirs:.2f}", f"{ours:.2f}", figure.why if differs else "",
        ]  # fmt: skip


if __name__ == "__main__":
    main()
