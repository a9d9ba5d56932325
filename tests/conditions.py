"""Architectures, features and made-up labels that depend on conditions."""

import itertools
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.features.extractor import FeatureExtractor
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.learning.fitting import Configuration
from acorn.learning.train import train_bundle
from acorn.spaces import get_space
from training.labels.reading import read_labels

NAME = "universal-imagenet1k"
TABLED = "a_name_that_no_version_of_timm_has"
"""A name of timm in the table of the bundle."""

SIZES = (96, 224)
PRETRAINING = ("none", "more")
SPACE = get_space("graph")


def network(width: int, depth: int) -> str:
    """A chain of convolutions, as text."""
    nodes: list[dict[str, object]] = [
        {
            "name": f"c{number}",
            "op": "conv",
            "inputs": [f"c{number - 1}" if number else "input"],
            "out_channels": width,
            "kernel": 3,
        }
        for number in range(depth)
    ]
    nodes += [
        {"name": "pool", "op": "global_avg_pool", "inputs": [f"c{depth - 1}"]},
        {"name": "flat", "op": "flatten", "inputs": ["pool"]},
        {"name": "out", "op": "linear", "inputs": ["flat"], "out_features": "classes"},
    ]
    return json.dumps({"nodes": nodes, "output": "out"})


ARCHS = [
    SPACE.parse(network(width, depth)).canonical
    for width in (8, 12, 16, 24, 32)
    for depth in (1, 2, 3, 4)
]


@cache
def features() -> FeatureTable:
    """Structure features of all architectures at both sizes."""
    dataset = get_dataset("imagenet1k")
    extractor = FeatureExtractor(dataset, embedded_batch(dataset, size=2), proxies=[], device="cpu")
    rows = [
        extractor.compute(SPACE, arch, image_size=size)
        for arch, size in itertools.product(ARCHS, SIZES)
    ]
    return FeatureTable.from_rows(rows, extractor.settings)


def labels() -> pl.DataFrame:
    """Two recipes of each architecture, size and kind of pretraining."""
    table, rng = features(), np.random.default_rng(0)
    rows = []
    for arch, size, pretraining, recipe in itertools.product(ARCHS, SIZES, PRETRAINING, "ab"):
        row = table.row(f"graph/{arch}" + ("" if size == 224 else f"@{size}"))
        assert row is not None
        strength = 2 * (row.values["graph.log_params"] or 0) - 20
        clean = 70 + strength + 4 * (size == 224) + 5 * (pretraining == "more")
        rows.append(
            {
                "arch": arch,
                "family": f"family {ARCHS.index(arch) % 8}",
                "image_size": size,
                "pretraining": pretraining,
                "recipe": recipe,
                "imagenet1k.clean": clean + rng.normal(0, 0.2),
                "imagenet1k.throughput.gpu": 1e6 / size**2 + rng.random(),
            }
        )
    return pl.DataFrame(rows)


def write_forest(folder: Path, labels: pl.DataFrame, arch_by_name: Mapping[str, int]) -> None:
    """Train a universal bundle; its table has names of timm, at both sizes."""
    path = folder / "labels.csv"
    labels.write_csv(path)
    known = read_labels(
        [f"graph={path}"],
        space="universal",
        dataset="imagenet1k",
        conditions=["image_size", "pretraining=none"],
        groups="family",
    )
    table = features()
    rows = [
        FeatureRow(f"timm/{name}{size}", row.values)
        for name, number in arch_by_name.items()
        for size in ("", f"@{SIZES[0]}")
        if (row := table.row(f"graph/{ARCHS[number]}{size}")) is not None
    ]
    table = table.joined(FeatureTable.from_rows(rows, table.settings))
    start = Configuration(trees=10)
    train_bundle(known, table, folder / "forests" / NAME, configuration=start, n_jobs=1)
