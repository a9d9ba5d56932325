"""``acorn suggest``."""

from pathlib import Path
from typing import Annotated

import typer

from acorn.errors import InputError, MismatchError
from training.commands.shared.options import AsJson, Dataset, Seed, Space
from training.commands.shared.output import print_result
from training.labels.reading import read_labels


def suggest(
    space: Space,
    dataset: Dataset,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many.")],
    out: Annotated[Path, typer.Option(help="Text file to write, one architecture a line.")],
    features: Annotated[
        Path | None,
        typer.Option(
            help="Feature table of functions to choose from. [default: the bundle's]",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help="Label table of what is labelled already; may be given several times. "
            "[default: none]",
            show_default=False,
        ),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="Forest bundle: what it was trained on is labelled. [default: none]",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Suggest which architectures to label next, so that the labels say most about the others.

    Examples
    --------
    acorn suggest --space nats_tss --dataset cifar10 --features f.parquet -n 50 --out first.txt

    acorn suggest --space nats_tss --dataset cifar10 --features f.parquet --labels mine.parquet
    -n 50 --out next.txt
    """
    import numpy as np

    from acorn.features.table import FeatureTable
    from acorn.forests import Bundle
    from training.active_learning.suggestions import suggest as choose

    loaded = None if bundle is None else Bundle.load(bundle)
    if loaded is None and features is None:
        raise InputError("got neither features nor a bundle; expected --features or --bundle")
    if features is not None:
        table = FeatureTable.read(features)
    else:
        assert loaded is not None  # noqa: S101 - one of the two was given
        table = loaded.table
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
        if Y is None:  # the forest repeats the labels that it learned from
            X = table.matrix(loaded.feature_names, ids)
            Y = np.column_stack([prediction.value for prediction in loaded.predict(X).values()])
        else:
            Y = np.vstack([Y, np.full((len(ids) - len(Y), Y.shape[1]), np.nan)])
    chosen = choose(table, space, n, labelled=ids, Y=Y, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(f"{arch}\n" for arch in chosen), "utf-8")
    if as_json:
        print_result({"out": str(out), "labelled": len(ids), "archs": chosen}, as_json=True)
    else:
        print_result({"out": str(out), "labelled": len(ids), "archs": len(chosen)}, as_json=False)
