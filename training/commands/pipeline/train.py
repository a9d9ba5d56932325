"""``acorn train``."""

from pathlib import Path
from typing import Annotated

import typer

from training.commands.shared import options
from training.commands.shared.output import print_result
from training.labels.reading import read_labels


def train(
    space: options.Space,
    dataset: options.Dataset,
    labels: options.LabelFiles,
    features: Annotated[Path, typer.Option(help="Feature table of the labelled architectures.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle; its name is the bundle's.")],
    targets: Annotated[
        str | None, options.optional("Targets, with commas between.", default="all")
    ] = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Fit forests to labels and write them as a bundle.

    Examples
    --------
    acorn train --space nats_tss --dataset cifar10 --labels mine.csv --features f.parquet --out b
    """
    from acorn.features.feature_table import FeatureTable
    from acorn.learning.train import train_bundle

    bundle = train_bundle(
        read_labels(labels, space=space, dataset=dataset, companions=True),
        FeatureTable.read(features),
        out,
        targets=None if targets is None else options.names(targets),
        seed=seed,
    )
    scores = bundle.manifest.scores
    print_result({"out": str(out), "name": bundle.name, "scores": scores}, as_json=as_json)
