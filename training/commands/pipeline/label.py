"""``acorn label``."""

from pathlib import Path
from typing import Annotated

import typer

from acorn.datasets import get_dataset
from acorn.progress import progress
from acorn.spaces import get_space
from training.commands.shared import options
from training.commands.shared.output import print_result


def label(
    space: options.Space,
    archs: options.Archs,
    dataset: options.Dataset,
    images: Annotated[
        Path,
        typer.Option(
            help="Images to train and test on: npz with x_train, y_train, x_test and y_test; a "
            "folder with train and test, each with a subfolder for each class; or CIFAR root."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Label table (Parquet) to make or bring up to date.")],
    attacks: Annotated[
        str, typer.Option(help="Comma-separated fgsm_linf_EPS and pgd_linf_EPS, EPS in 1/255.")
    ] = "fgsm_linf_1.0,pgd_linf_1.0",
    corruptions: Annotated[
        str, typer.Option(help="Comma-separated names such as gaussian_noise.")
    ] = "",
    adversarial: Annotated[
        float | None,
        options.optional(
            "Budget of adversarial training with PGD, in 1/255.", default="standard training"
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 200,
    batch_size: Annotated[int, typer.Option(help="Images of a training step.")] = 256,
    lr: Annotated[float, typer.Option(help="Initial learning rate.")] = 0.1,
    momentum: Annotated[float, typer.Option(help="Nesterov momentum.")] = 0.9,
    weight_decay: Annotated[float, typer.Option(help="L2 penalty.")] = 5e-4,
    crop: Annotated[
        int | None,
        options.optional(
            "Pixels of padding before a random crop.", default="an eighth of the side", min=0
        ),
    ] = None,
    flip: Annotated[bool, typer.Option(help="Mirror half of the images.")] = True,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Train under automatic mixed precision.")
    ] = False,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    shard: options.Shard = None,
    as_json: options.AsJson = False,
) -> None:
    """Train networks from scratch and attack them; a rerun trains only what is missing.

    Examples
    --------
    acorn label --space nats_tss --archs next.txt --dataset cifar10 --images cifar
    --out mine.parquet

    acorn label --space nats_sss --archs sample:20 --dataset cifar10 --images cifar
    --adversarial 8 --epochs 50 --attacks pgd_linf_8 --out adversarial.parquet
    """
    from training.features.compute import select_architectures
    from training.label_generation.images import load_images
    from training.label_generation.label_table import LabelRecipe, generate_labels
    from training.label_generation.network_training import Schedule

    recipe = LabelRecipe(
        get_space(space),
        get_dataset(dataset),
        Schedule(epochs, batch_size, lr, momentum, weight_decay, crop, flip, bfloat16),
        options.names(attacks),
        options.names(corruptions),
        adversarial,
        seed,
    )
    canonical = select_architectures(recipe.space, archs, shard=shard)
    train, test = load_images(images, recipe.dataset)
    with progress("epochs") as on_progress:
        table = generate_labels(
            recipe, canonical, train, test, out, device=device, on_progress=on_progress
        )
    print_result(
        {
            "out": str(out),
            "rows": len(table),
            "diverged": int(table["reason"].is_not_null().sum()),
            "columns": table.columns,
        },
        as_json=as_json,
    )
