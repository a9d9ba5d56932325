"""``acorn suggest``."""

from pathlib import Path
from typing import Annotated

import typer

from acorn.errors import InputError, MismatchError
from training.commands.shared import options
from training.commands.shared.output import print_result
from training.labels.reading import read_labels
from training.result_tables import write_text


def suggest(
    space: options.Space,
    dataset: options.Dataset,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="Number of suggestions.")],
    out: Annotated[Path, typer.Option(help="Text file to write, one architecture a line.")],
    features: Annotated[
        Path | None,
        options.optional("Feature table of architectures to choose from.", default="the bundle's"),
    ] = None,
    labels: Annotated[
        list[str] | None,
        options.optional(
            "Label table of labelled architectures; may be given several times.", default="none"
        ),
    ] = None,
    bundle: Annotated[
        Path | None, options.optional("Bundle whose training architectures count as labelled.")
    ] = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Suggest which architectures to label next: those whose labels say most about the others.

    Examples
    --------
    acorn suggest --space nats_tss --dataset cifar10 --features f.parquet -n 50 --out first.txt

    acorn suggest --space nats_tss --dataset cifar10 --features f.parquet --labels mine.parquet
    -n 50 --out next.txt
    """
    import numpy as np

    from acorn.features.feature_table import FeatureTable
    from acorn.forests import Bundle
    from acorn.forests.released import find_bundle
    from training.active_learning import suggestions

    loaded = None if bundle is None else Bundle.load(find_bundle(bundle))
    if features is not None:
        table = FeatureTable.read(features)
    elif loaded is not None:
        table = loaded.table
    else:
        raise InputError("got neither features nor a bundle; expected --features or --bundle")
    if table.settings.dataset != dataset:
        raise MismatchError(f"got features on {table.settings.dataset}; expected {dataset}")
    ids: list[str] = []
    Y = None
    if labels:
        known = read_labels(labels, space=space, dataset=dataset).by_function()
        ids, Y = known.ids, known.matrix(known.targets)
    if loaded is not None:
        ids += sorted(set(loaded.training_set.among(table.ids)) - set(ids))
        if Y is None:  # the forest repeats the labels that it was trained on
            X = loaded.table_matrix(ids, table=table)
            Y = np.column_stack([prediction.value for prediction in loaded.predict(X).values()])
        else:
            Y = np.vstack([Y, np.full((len(ids) - len(Y), Y.shape[1]), np.nan)])
    chosen = suggestions.suggest(table, space, n, labelled=ids, Y=Y, seed=seed)
    write_text("".join(f"{arch}\n" for arch in chosen), out)
    print_result(
        {"out": str(out), "labelled": len(ids), "archs": chosen if as_json else len(chosen)},
        as_json=as_json,
    )
