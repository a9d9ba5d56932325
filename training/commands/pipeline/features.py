"""``acorn features``."""

from pathlib import Path
from typing import Annotated

import typer

from acorn.spaces import get_space
from training.commands.shared.options import (
    AsJson,
    Dataset,
    Device,
    Seed,
    Shard,
    Space,
    Workers,
)
from training.commands.shared.output import print_result
from training.commands.shared.progress import progress


def features(
    space: Space,
    archs: Annotated[str, typer.Option(help="all, sample:N, or a file with one a line.")],
    dataset: Dataset,
    out: Annotated[Path, typer.Option(help="Feature table (Parquet) to make or bring up to date.")],
    proxies: Annotated[str, typer.Option(help="Names with commas between, or a set.")] = "classic",
    images: Annotated[
        str | None,
        typer.Option(
            help="Images for the proxies: npz, image folder or CIFAR root. [default: embedded]",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Number of images.")] = 32,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = 0,
    backend: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    shard: Shard = None,
    as_json: AsJson = False,
) -> None:
    """Compute proxies and structure features; a rerun computes only what is missing.

    Examples
    --------
    acorn features --space nats_tss --archs sample:500 --dataset cifar10 --out f.parquet
    """
    from training.features.compute import Recipe, compute_features, select_architectures

    names = proxies if "," not in proxies else tuple(name.strip() for name in proxies.split(","))
    recipe = Recipe(space, dataset, names, images, batch_size, seed, device)
    chosen = select_architectures(get_space(space), archs, shard=shard)
    with progress("features") as on_progress:
        table = compute_features(
            recipe, chosen, out, workers=workers, backend=backend, on_progress=on_progress
        )
    print_result(
        {"out": str(out), "rows": len(table), "features": len(table.feature_names)}, as_json=as_json
    )
