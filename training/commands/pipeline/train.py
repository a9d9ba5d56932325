"""``acorn train``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from acorn.errors import InputError, MismatchError
from acorn.progress import progress
from acorn.spaces import recognise_ids
from training.commands.shared import options
from training.commands.shared.output import print_result
from training.labels.reading import read_labels

if TYPE_CHECKING:
    from acorn.features.feature_table import FeatureTable


def train(
    space: options.Space,
    dataset: options.Dataset,
    out: Annotated[Path, typer.Option(help="Folder to write; the bundle has its name.")],
    features: Annotated[
        Path | None,
        options.optional(
            "Feature table of the labelled architectures; without labels, of a population.",
            default="without labels, 200 members that are sampled",
        ),
    ] = None,
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
    feature table, or among 200 sampled members of the space, by a prior that accuracy rises with
    size, depth and some proxies.

    Examples
    --------
    acorn train --space nats_tss --dataset cifar10 --labels mine.csv --features f.parquet --out b

    acorn train --space darts --dataset cifar10 --out ranks

    acorn train --space timm --dataset imagenet1k --labels accuracies.csv --features f.parquet
    --conditions image_size,pretraining=none --groups family --out b
    """
    from acorn.learning.fitting import Configuration
    from acorn.learning.train import train_bundle, train_ranks, train_sampled_ranks

    names = None if targets is None else options.names(targets)
    if not labels:
        if conditions or groups or feature_set or algorithm or len(names or ()) > 1:
            got = "options of forests on labels, or several targets, and no labels"
            raise InputError(f"got {got}; expected --labels")
        target = (names or ["clean"])[0]
        if features is None:
            with progress("members") as on_progress:
                ranks = train_sampled_ranks(
                    space, dataset, out, target=target, seed=seed, on_progress=on_progress
                )
        else:
            ranks = train_ranks(_read(features, dataset), space, out, target=target, seed=seed)
        print_result({"out": str(out), "name": ranks.name, "scale": "rank"}, as_json=as_json)
        return
    if features is None:
        raise InputError("got labels and no features; expected --features")
    table = _read(features, dataset)  # first: names of timm in it are then read without timm
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


def _read(features: Path, dataset: str) -> "FeatureTable":
    """Read a feature table of a dataset."""
    from acorn.features.feature_table import FeatureTable

    table = FeatureTable.read(features)
    recognise_ids(table.ids)
    if table.settings.dataset != dataset:
        got = f"features on {table.settings.dataset}"
        raise MismatchError(f"got {got}; expected {dataset}, the dataset that is named")
    return table
