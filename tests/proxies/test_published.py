"""Ranks against the published proxies of NAS-Bench-Suite-Zero, on real images.

A quick look at few cells; `python -m benchmarks.published_proxies` has all proxies and 500 cells.
"""

from pathlib import Path

import polars as pl
import pytest
import torch
from scipy.stats import spearmanr

from acorn.batches import load_batch
from acorn.datasets import get_dataset
from acorn.proxies import run
from acorn.spaces import get_space

CELLS = 40
LEAST = {"params": 1.0, "grad_norm": 0.9, "snip": 0.9, "fisher": 0.9, "nwot": 0.95, "synflow": 0.99}


@pytest.fixture(scope="module")
def pairs(shared: Path) -> dict[str, tuple[list[float], list[float]]]:
    dataset, space = get_dataset("cifar10"), get_space("nats_tss")
    batch = load_batch(shared / "images/cifar10_sample.npz", dataset, size=16)
    oracle = pl.read_parquet(shared / "oracles/naslib_proxies_nats_tss_cifar10.parquet")
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in LEAST}
    for row in oracle.sample(CELLS, seed=2).iter_rows(named=True):
        torch.manual_seed(0)
        network = space.build(row["arch"], dataset)
        ours = run(network, batch.images, batch.labels, num_classes=10, proxies=LEAST)
        for name, (mine, published) in found.items():
            if (value := ours.values[name]) is not None and row[name] is not None:
                mine.append(value)
                published.append(row[name])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAST)
def test_rank_correlation(pairs: dict[str, tuple[list[float], list[float]]], name: str) -> None:
    mine, published = pairs[name]
    assert len(mine) > CELLS // 2
    assert spearmanr(mine, published).statistic >= LEAST[name] - 1e-9
