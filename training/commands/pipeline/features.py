"""``acorn features``."""

from pathlib import Path
from typing import Annotated

import typer

from acorn.progress import progress
from acorn.spaces import get_space
from training.commands.shared import options
from training.commands.shared.output import print_result


def features(
    space: options.Space,
    archs: options.Archs,
    dataset: options.Dataset,
    out: Annotated[Path, typer.Option(help="Feature table (Parquet) to make or bring up to date.")],
    proxies: Annotated[
        str,
        typer.Option(
            help="Comma-separated names of proxies or of sets of proxies; none computes the "
            "structure features alone."
        ),
    ] = "classic",
    images: options.Images = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Number of images.")] = 32,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    workers: options.Workers = 0,
    backend: Annotated[str, typer.Option(help="local, or ray for a Ray cluster.")] = "local",
    shard: options.Shard = None,
    parts: Annotated[
        list[Path] | None,
        options.optional(
            "Feature table of another shard, or a folder of such tables, to add before the rest "
            "is computed; may be given several times."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Compute proxies and structure features; a rerun computes only what is missing.

    Examples
    --------
    acorn features --space nats_tss --archs sample:500 --dataset cifar10 --out f.parquet

    acorn features --space darts --archs sample:50000 --shard 3/50 --dataset cifar10
    --out parts/3.parquet

    acorn features --space darts --archs sample:50000 --parts parts --dataset cifar10
    --out f.parquet
    """
    from acorn.features.recipe import FeatureRecipe
    from training.features.compute import compute_features, select_architectures

    canonical = select_architectures(get_space(space), archs, shard=shard, dataset=dataset)
    recipe = FeatureRecipe.create(
        dataset, [] if proxies == "none" else options.names(proxies), images, batch_size, seed
    )
    with progress("features") as on_progress:
        table = compute_features(
            recipe,
            space,
            canonical,
            out,
            device=device,
            workers=workers,
            backend=backend,
            parts=parts or (),
            on_progress=on_progress,
        )
    print_result(
        {"out": str(out), "rows": len(table), "features": len(table.feature_names)}, as_json=as_json
    )
