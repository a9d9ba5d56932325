"""Compare our proxies with published ones: ``python -m benchmarks.published_proxies``.

NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022) published thirteen proxies of NAS-Bench-201
cells on a real CIFAR-10 batch of 64. Theirs and ours differ in seed, batch and hardware, so the
ranks are compared. The rank correlation between two of our seeds is about the best agreement that a
proxy can have with published values.
"""

import argparse
from pathlib import Path

import polars as pl
from scipy.stats import spearmanr

from acorn.features.feature_table import FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.progress import progress
from training.features.compute import compute_features

ORACLE = "oracles/naslib_proxies_nats_tss_cifar10.parquet"
PROXIES = (
    "params", "flops", "l2_norm", "grad_norm", "snip", "synflow", "nwot",
    "jacov", "fisher", "grasp", "zen", "epe_nas", "plain",
)  # fmt: skip


def table(options: argparse.Namespace, archs: list[str], seed: int) -> pl.DataFrame:
    """Compute our proxies of these cells as published, with dead edges."""
    recipe = FeatureRecipe.create(
        "cifar10",
        PROXIES,
        images=str(options.shared / "images/cifar10_sample.npz"),
        batch_size=options.batch_size,
        seed=seed,
    )
    out = options.var / f"published-{options.batch_size}-seed{seed}.parquet"
    with progress(f"seed {seed}") as on_progress:
        computed: FeatureTable = compute_features(
            recipe, "nats_tss", archs, out, on_progress=on_progress
        )
    return computed.frame.filter(pl.col("arch").is_in(archs)).select("arch", *PROXIES)


def rho(pairs: pl.DataFrame, name: str, other: str) -> float:
    """Return the Spearman correlation over cells with both values."""
    both = pairs.select(name, other).drop_nulls().drop_nans()
    return float(spearmanr(both[name], both[other]).statistic)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--var", type=Path, default=Path("var"))
    parser.add_argument("--cells", type=int, default=500)
    parser.add_argument("--repeated-cells", type=int, default=120)
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()

    oracle = pl.read_parquet(options.shared / ORACLE).sample(options.cells, seed=0, shuffle=True)
    archs = oracle["arch"].to_list()
    ours = table(options, archs, seed=0)
    again = table(options, archs[: options.repeated_cells], seed=1)
    published = ours.join(oracle, on="arch", suffix=".published")
    repeated = ours.join(again, on="arch", suffix=".again")
    print(f"{len(published)} cells; ours at two seeds: {len(repeated)} cells; Spearman rho")
    print(f"{'proxy':10s} {'published':>9s} {'ourselves':>9s}")
    for name in PROXIES:
        print(
            f"{name:10s} {rho(published, name, f'{name}.published'):9.3f} "
            f"{rho(repeated, name, f'{name}.again'):9.3f}"
        )
    # Cells with as many convolutions of each kind differ in l2_norm by the draw of weights alone.
    everything = pl.read_parquet(options.shared / ORACLE)
    mean = everything.with_columns(mean=pl.col("l2_norm").mean().over("params"))
    pearson = published.select(pl.corr("l2_norm", "l2_norm.published")).item()
    print(
        f"l2_norm: Pearson's r with the published {pearson:.5f}; the published against its own "
        f"mean over cells of equal params, rho {rho(mean, 'l2_norm', 'mean'):.3f}"
    )


if __name__ == "__main__":
    main()
