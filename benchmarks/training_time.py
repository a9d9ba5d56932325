"""Measure the time of training: ``python -m benchmarks.training_time``.

``acorn train`` in a separate process, on a made-up table of 5,000 rows, 60 features and 25 targets:
a smooth signal in a few of the features, in proportions that differ by target, and noise.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.spaces import get_space

SPACE = "nats_sss"
SETTINGS = ProxySettings(
    dataset="cifar10", batch="none", batch_size=1, batch_digest="0" * 64, seed=0
)


def main() -> None:
    """Generate the tables, train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--features", type=int, default=60)
    parser.add_argument("--targets", type=int, default=25)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    archs = get_space(SPACE).sample(options.rows, seed=0)
    X = rng.normal(size=(options.rows, options.features))
    signal = np.column_stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2], X[:, 3], np.abs(X[:, 4])])
    Y = 50 + signal @ rng.normal(size=(4, options.targets)) * 3 + rng.normal(size=(len(X), 1))
    Y += rng.normal(size=Y.shape)
    names = [f"made.{number}" for number in range(options.features)]
    rows = [
        FeatureRow(f"{SPACE}/{arch}", dict(zip(names, map(float, x), strict=True)))
        for arch, x in zip(archs, X, strict=True)
    ]
    labels = {f"cifar10.corruption_made{t}": y.clip(0, 100) for t, y in enumerate(Y.T)}
    with tempfile.TemporaryDirectory() as folder:
        features, table = Path(folder) / "features.parquet", Path(folder) / "labels.parquet"
        FeatureTable.from_rows(rows, SETTINGS).write(features)
        pl.DataFrame({"arch": archs, **labels}).write_parquet(table)
        start = time.perf_counter()
        subprocess.run(
            [
                *(sys.executable, "-m", "training", "--space", SPACE),
                *("--dataset", "cifar10", "--labels", str(table), "--features", str(features)),
                *("--out", str(Path(folder) / "bundle"), "--json"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - start
    print(f"{options.rows} rows, {options.features} features, {options.targets} targets: "
          f"{seconds:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
