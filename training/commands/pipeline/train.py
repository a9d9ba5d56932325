"""``acorn train``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from acorn.errors import InputError, MismatchError
from acorn.spaces import recognise_ids
from training.commands.shared import options
from training.commands.shared.output import print_result
from training.labels.reading import read_labels


def train(
    space: options.Space,
    dataset: options.Dataset,
    features: Annotated[Path, typer.Option(help="Feature table of the labelled architectures.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the bundle has its name.")],
    labels: options.OptionalLabelFiles = None,
    targets: Annotated[
        str | None, options.optional("Comma-separated targets.", default="all")
    ] = None,
    conditions: Annotated[
        str | None,
        options.optional(
            "Comma-separated columns of the labels that become inputs, such as image_size; "
            "NAME=VALUE sets a default."
        ),
    ] = None,
    groups: Annotated[
        str | None,
        options.optional("Column of the labels, such as family, whose groups no split separates."),
    ] = None,
    feature_set: Annotated[
        str | None,
        options.optional(
            "Features to read, such as proxies, structure or both.", default="model selection"
        ),
    ] = None,
    algorithm: Annotated[
        Literal["extra_trees", "random_forest"] | None,
        options.optional(
            "extra_trees, or random_forest for nothing but random forests on the original labels.",
            default="model selection",
        ),
    ] = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Fit forests to labels and write them as a bundle.

    Without labels, the bundle ranks: its values are percentiles among the architectures of the
    feature table, by a prior that accuracy rises with size, depth and some proxies.

    Examples
    --------
    acorn train --space nats_tss --dataset cifar10 --labels mine.csv --features f.parquet --out b

    acorn train --space darts --dataset cifar10 --features f.parquet --out ranks

    acorn train --space timm --dataset imagenet1k --labels accuracies.csv --features f.parquet
    --conditions image_size,pretraining=none --groups family --out b
    """
    from acorn.features.feature_table import FeatureTable
    from acorn.learning.fitting import Configuration
    from acorn.learning.train import train_bundle, train_ranks

    table = FeatureTable.read(features)
    recognise_ids(table.ids)
    names = None if targets is None else options.names(targets)
    if not labels:
        if table.settings.dataset != dataset:
            got = f"features on {table.settings.dataset}"
            raise MismatchError(f"got {got}; expected {dataset}, the dataset that is named")
        if conditions or groups or len(names or ()) > 1:
            got = "conditions, groups or several targets, and no labels"
            raise InputError(f"got {got}; expected --labels")
        ranks = train_ranks(table, space, out, target=(names or ["clean"])[0], seed=seed)
        print_result({"out": str(out), "name": ranks.name, "scale": "rank"}, as_json=as_json)
        return
    bundle = train_bundle(
        read_labels(
            labels,
            space=space,
            dataset=dataset,
            companions=True,
            conditions=options.names(conditions or ""),
            groups=groups,
        ),
        table,
        out,
        targets=names,
        feature_set=feature_set,
        configuration=None if algorithm is None else Configuration(algorithm=algorithm),
        seed=seed,
    )
    scores = bundle.manifest.scores
    print_result({"out": str(out), "name": bundle.name, "scores": scores}, as_json=as_json)
