"""Compare initialisations: ``python -m benchmarks.initialisation``.

Kendall tau of each proxy with clean accuracy, with the weights of the network (``as_given``) and
with those of :func:`acorn.proxies._network.initialisation.initialise` (``canonical``): on three NAS
spaces with CIFAR-10, which use torch's default initialisation, and, if timm is installed, on its
networks on ImageNet (``--shared`` names the folder with ``imagenet_timm``), with one row for each
network: its best recipe without additional data. Results are written to ``--out`` as they are
computed; a second run computes missing ones.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import torch
from scipy.stats import kendalltau
from torch import nn

from acorn.batches.any_size import sized_images
from acorn.datasets import get_dataset
from acorn.proxies import run
from acorn.proxies._network.initialisation import Initialisation
from acorn.spaces import get_space

PROXIES = (
    "az_expressivity", "jacov", "l2_norm", "meco", "meco_opt", "near", "nwot", "snip", "swap",
    "synflow", "zico",
)  # fmt: skip
SPACES = {
    "nats_tss": "nats_tss_clean",
    "nats_sss": "nats_sss_clean",
    "nasbench_macro": "nasbench_macro_clean",
}
CIFAR = get_dataset("cifar10")
Network = tuple[str, float, Callable[[], nn.Module], tuple[int, int, int], int]
"""Name, accuracy, how to build it, image shape, classes."""


def of_space(name: str, count: int, shared: Path) -> Iterator[Network]:
    """Draw networks of a NAS space at random among those with labels."""
    space = get_space(name)
    table = pl.read_parquet(shared / "benchmarks" / f"{SPACES[name]}.parquet")
    rows = table.drop_nulls("cifar10.clean").sample(count, seed=0)
    for arch, label in rows.select("arch", "cifar10.clean").iter_rows():
        canonical = space.parse(arch).canonical

        def build(canonical: str = canonical) -> nn.Module:
            return space.build(canonical, CIFAR)

        yield arch, label, build, CIFAR.input_shape, CIFAR.num_classes


def of_timm(count: int, shared: Path, largest: float) -> Iterator[Network]:
    """Return networks of timm with their best accuracy from ImageNet-1k alone.

    They use images of at most 256 pixels and have fewer than ``largest`` million parameters.
    """
    import timm

    table = pl.read_parquet(shared / "benchmarks" / "imagenet_timm.parquet")
    rows = (
        table.filter(
            (pl.col("pretraining") == "none")
            & (pl.col("params") < largest)
            & (pl.col("image_size") <= 256)
        )
        .sort("imagenet1k.clean", descending=True)
        .unique("arch", keep="first", maintain_order=True)
        .sample(fraction=1.0, shuffle=True, seed=0)
    )
    known = set(timm.list_models())
    rows = rows.filter(pl.col("arch").is_in(known)).head(count)
    for arch, size, label in rows.select("arch", "image_size", "imagenet1k.clean").iter_rows():

        def build(arch: str = arch) -> nn.Module:
            return timm.create_model(arch)

        yield arch, label, build, (3, size, size), 1000


def computed(network: Network, size: int, proxies: list[str]) -> dict[str, Any]:
    """Compute the values of one network with both initialisations, from one seed."""
    _, label, build, shape, classes = network
    torch.manual_seed(0)
    module = build()
    images, labels = sized_images(shape, classes, size=size)
    row: dict[str, Any] = {"label": label}
    for policy in Initialisation:
        result = run(
            module, images, labels, num_classes=classes, proxies=proxies, initialisation=policy
        )
        row[policy.value] = result.values
    return row


def taus(rows: dict[str, dict[str, Any]]) -> pl.DataFrame:
    """Return Kendall tau of each proxy and initialisation, over networks with both values."""
    lines = []
    for proxy in PROXIES:
        pairs = [
            [row["label"], *(row[policy.value].get(proxy) for policy in Initialisation)]
            for row in rows.values()
            if "label" in row
        ]
        whole = [pair for pair in pairs if None not in pair]
        labels, given, canonical = zip(*whole, strict=True) if len(whole) > 2 else ((), (), ())
        lines.append(
            {
                "proxy": proxy,
                "networks": len(whole),
                "as_given": kendalltau(labels, given).statistic if labels else None,
                "canonical": kendalltau(labels, canonical).statistic if labels else None,
            }
        )
    return pl.DataFrame(lines)


def main() -> None:
    """Compute missing values, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("var/initialisation"))
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--of", choices=[*SPACES, "timm"], action="append")
    parser.add_argument("--largest", type=float, default=20.0, help="million parameters")
    parser.add_argument("--proxies", choices=PROXIES, action="append")
    options = parser.parse_args()
    proxies = options.proxies or [*PROXIES]

    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.of or [*SPACES, "timm"]:
        path = options.out / f"{name}.json"
        rows = json.loads(path.read_text()) if path.exists() else {}
        source = (
            of_timm(options.networks, options.shared, options.largest)
            if name == "timm"
            else of_space(name, options.networks, options.shared)
        )
        for network in source:
            if network[0] not in rows:
                try:
                    rows[network[0]] = computed(network, 4 if name == "timm" else 16, proxies)
                except Exception as error:  # one network must not end the run
                    rows[network[0]] = {"error": f"{type(error).__name__}: {error}"}
                path.write_text(json.dumps(rows))
        with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, float_precision=3):
            print(f"{name}: {sum('label' in row for row in rows.values())} networks")
            print(taus(rows))


if __name__ == "__main__":
    main()
