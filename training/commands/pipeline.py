"""The commands of ``acorn`` that make features, labels and forests."""

from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from acorn.errors import InputError
from acorn.spaces import get_space
from training.commands.evolve import evolve
from training.commands.label import label
from training.commands.pipeline_options import (
    AsJson,
    Dataset,
    Device,
    LabelFiles,
    Seed,
    Shard,
    Space,
    Workers,
)
from training.commands.pipeline_output import number, print_line, print_result
from training.commands.progress import progress
from training.commands.search import search
from training.commands.suggest import suggest
from training.labels.importers import import_robustness, import_table
from training.labels.reading import PERCENT, read_labels, split_marks

# torch, scipy and scikit-learn are imported by the commands that need them: `acorn serve` reads
# this module, too.


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


def train(
    space: Space,
    dataset: Dataset,
    labels: LabelFiles,
    features: Annotated[Path, typer.Option(help="Feature table of the labelled functions.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle; its name is the bundle's.")],
    targets: Annotated[
        str | None,
        typer.Option(help="Targets, with commas between. [default: all]", show_default=False),
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Fit forests to labels and write them as a bundle.

    Examples
    --------
    acorn train --space nats_tss --dataset cifar10 --labels mine.csv --features f.parquet --out b
    """
    from acorn.features.table import FeatureTable
    from acorn.learning.train import train_bundle

    bundle = train_bundle(
        read_labels(labels, space=space, dataset=dataset, companions=True),
        FeatureTable.read(features),
        out,
        targets=None if targets is None else [name.strip() for name in targets.split(",")],
        seed=seed,
    )
    scores = bundle.manifest.scores
    print_result({"out": str(out), "name": bundle.name, "scores": scores}, as_json=as_json)


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    labels: LabelFiles,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Features of functions that the bundle's table lacks. [default: none]",
            show_default=False,
        ),
    ] = None,
    include_seen: Annotated[
        bool, typer.Option(help="Also score functions that the bundle was trained on.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Page (HTML) to write, with all figures in it. [default: none]",
            show_default=False,
        ),
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(
            help="Learning curves (JSON) for the page. [default: curves.json of the bundle]",
            show_default=False,
        ),
    ] = None,
    protocols: Annotated[
        Path | None,
        typer.Option(
            help="Scores under published protocols (JSON) for the page. [default: none]",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a bundle on labelled rows that it never saw.

    Examples
    --------
    acorn evaluate models/released/nats_tss-cifar10 --labels held_out.parquet --json
    """
    from acorn.features.table import FeatureTable
    from acorn.forests import Bundle
    from training.evaluation.evaluate import examine

    page: dict[str, Any] = {}
    if report is not None:  # refuse what it cannot be made of before the work, not after it
        from training.evaluation.report import check_libraries, read_curves, read_protocols

        check_libraries()
        own = bundle / "curves.json"
        source = own if curves is None and own.is_file() else curves
        page["curves"] = None if source is None else read_curves(source)
        page["protocols"] = () if protocols is None else read_protocols(protocols)
    loaded = Bundle.load(bundle)
    evaluation = examine(
        loaded,
        read_labels(labels, space=loaded.space, dataset=loaded.dataset),
        features=None if features is None else FeatureTable.read(features),
        include_seen=include_seen,
    )
    if report is not None:
        from training.evaluation.report import write_report

        write_report(evaluation, bundle, report, **page)
    result = evaluation.result
    if as_json:
        print_result(result, as_json=True)
        return
    columns = ("n", "kendall_tau", "spearman_rho", "r2", "mae", "coverage", "median_width")
    print_line("target", "rows", *columns)
    for target, scores in result["targets"].items():
        for rows, found in scores.items():
            print_line(target, rows, *(number(found[column]) for column in columns))


importing = typer.Typer(no_args_is_help=True)
Out = Annotated[Path, typer.Option(help="Label table (Parquet) to write.")]


@importing.callback()
def _importing() -> None:
    """Turn a benchmark's own files into a label table.

    Examples
    --------
    acorn import table accuracies.csv --out labels.parquet
    """


@importing.command("robustness")
def robustness(source: Path, out: Out, as_json: AsJson = False) -> None:
    """Read the folder of the robustness dataset of Jung et al. (ICLR 2023).

    Examples
    --------
    acorn import robustness robustness-data --out labels.parquet
    """
    _write(import_robustness(source), out, as_json=as_json)


@importing.command("table")
def table(
    source: Annotated[
        str,
        typer.Argument(help="CSV or Parquet; percent=FILE accepts percent of which all are <= 1."),
    ],
    out: Out,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="NEW=OLD renames a column; may be given several times."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read any CSV or Parquet table, renaming its columns.

    Examples
    --------
    acorn import table accuracies.csv --column arch=cell
    --column cifar10.clean=accuracy --out labels.parquet
    """
    renamed = dict(_renaming(pair) for pair in columns or [])
    marks, path = split_marks(source, {PERCENT})
    _write(import_table(path, columns=renamed, small=bool(marks)), out, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (features, label, train, evaluate, suggest, search, evolve):
        app.command()(command)
    app.add_typer(importing, name="import")


def _renaming(pair: str) -> tuple[str, str]:
    new, _, old = pair.partition("=")
    if not (new and old):
        raise InputError(f"got --column {pair!r}; expected NEW=OLD")
    return old, new


def _write(frame: pl.DataFrame, out: Path, *, as_json: bool) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(out)
    print_result({"out": str(out), "rows": len(frame), "columns": frame.columns}, as_json=as_json)
