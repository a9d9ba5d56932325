"""Compare the embedded batch with real images: ``python -m benchmarks.batches``.

Kendall tau of each proxy with clean and robust accuracy, on real CIFAR-10 images and on the
embedded batch, with the same weights and one row for each equivalence class.
"""

import argparse
import random
from pathlib import Path

import polars as pl
from scipy.stats import kendalltau, spearmanr

from acorn.features.feature_table import FeatureTable, check_settings
from acorn.features.recipe import FeatureRecipe
from acorn.progress import progress
from acorn.spaces import get_space
from training.features.compute import compute_features
from training.labels.reading import read_labels

PROXIES = (
    "grad_norm", "snip", "plain", "fisher", "grasp", "jacov", "jacob_fro", "epe_nas", "nwot",
)  # fmt: skip
"""Those that look at images; the other classic ones are the same on any batch."""
TARGETS = ("clean", "pgd_linf_1.0", "adv.pgd_linf_8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--var", type=Path, default=Path("var"))
    parser.add_argument(
        "--embedded",
        type=Path,
        default=Path("models/released/nats_tss-cifar10/features.parquet"),
        help="feature table of the embedded batch",
    )
    parser.add_argument("--functions", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()

    folder = options.shared / "benchmarks"
    sources = [
        f"{folder}/nats_tss_clean.parquet",
        f"{folder}/nats_tss_robust_standard_training.parquet",
        f"adv={folder}/nats_tss_robust_adversarial_training.parquet",
    ]
    labels = read_labels(sources, space="nats_tss", dataset="cifar10").by_function().frame
    space = get_space("nats_tss")
    chosen = random.Random(0).sample(labels["id"].to_list(), options.functions)
    archs = [space.parse(id_.partition("/")[2]).canonical for id_ in chosen]
    images = str(options.shared / "images/cifar10_sample.npz")
    real = FeatureRecipe.create("cifar10", PROXIES, images, options.batch_size)
    embedded = FeatureRecipe.create("cifar10", PROXIES, batch_size=options.batch_size)
    with progress("real images") as on_progress:
        out = options.var / f"batches-real-{options.batch_size}.parquet"
        tables = {"real": compute_features(real, "nats_tss", archs, out, on_progress=on_progress)}
    tables["embedded"] = FeatureTable.read(options.embedded)
    check_settings(embedded.settings, tables["embedded"].settings)
    both = labels
    for kind, table in tables.items():
        columns = [pl.col(name).alias(f"{kind}.{name}") for name in PROXIES]
        wanted = table.frame.filter(pl.col("arch").is_in(archs))
        both = both.join(wanted.select("id", *columns), on="id")

    print(f"{len(both)} functions, batch of {options.batch_size}; tau on real / embedded images")
    print(f"{'proxy':10s} {'rho':>6s} " + " ".join(f"{target:>15s}" for target in TARGETS))
    for name in PROXIES:
        pair = both[f"real.{name}"], both[f"embedded.{name}"]
        cells = [
            " / ".join(
                f"{kendalltau(values, both[target], nan_policy='omit').statistic:.3f}"
                for values in pair
            )
            for target in TARGETS
        ]
        rho = spearmanr(*pair, nan_policy="omit").statistic
        print(f"{name:10s} {rho:6.3f} " + " ".join(f"{cell:>15s}" for cell in cells))


if __name__ == "__main__":
    main()
