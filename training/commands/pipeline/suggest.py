"""``acorn suggest``."""

from pathlib import Path
from typing import Annotated

import typer

from acorn.errors import InputError, MismatchError
from training.commands.shared import options
from training.commands.shared.output import print_result
from training.labels.reading import read_labels


def suggest(
    space: options.Space,
    dataset: options.Dataset,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many.")],
    out: Annotated[Path, typer.Option(help="Text file to write, one architecture a line.")],
    features: Annotated[
        Path | None,
        options.optional("Feature table of architectures to choose from.", default="the bundle's"),
    ] = None,
    labels: Annotated[
        list[str] | None,
        options.optional(
            "Label table of what is labelled already; may be given several times.", default="none"
        ),
    ] = None,
    bundle: Annotated[
        Path | None,
        options.optional("Forest bundle: what it was trained on is labelled.", default="none"),
    ] = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Suggest which architectures to label next, so that the labels say most about the others.

    Examples
    --------
    acorn suggest --space nats_tss --dataset cifar10 --features f.parquet -n 50 --out first.txt

    acorn suggest --space nats_tss --dataset cifar10 --features f.parquet --labels mine.parquet
    -n 50 --out next.txt
    """
    import numpy as np

    from acorn.features.feature_table import FeatureTable
    from acorn.forests import Bundle
    from training.active_learning import suggestions

    loaded = None if bundle is None else Bundle.load(bundle)
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
        seen = loaded.training_set.among(table.ids)
        ids += sorted(set(seen) - set(ids))
        if Y is None:  # the forest repeats the labels that it was trained on
            X = table.matrix(loaded.feature_names, ids)
            Y = np.column_stack([prediction.value for prediction in loaded.predict(X).values()])
        else:
            Y = np.vstack([Y, np.full((len(ids) - len(Y), Y.shape[1]), np.nan)])
    chosen = suggestions.suggest(table, space, n, labelled=ids, Y=Y, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(f"{arch}\n" for arch in chosen), "utf-8")
    print_result(
        {"out": str(out), "labelled": len(ids), "archs": chosen if as_json else len(chosen)},
        as_json=as_json,
    )
