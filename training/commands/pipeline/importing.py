"""``acorn import``."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from acorn.errors import InputError
from acorn.progress import progress
from acorn.targets import PERCENT
from training.commands.shared import options
from training.commands.shared.output import print_result
from training.labels.importers import (
    import_hw_nas_bench,
    import_nas_robbench,
    import_nasbench301,
    import_nats_bench,
    import_robustness,
    import_suite_zero,
    import_table,
    import_timm,
)
from training.labels.reading import split_marks
from training.result_tables import write_table

app = typer.Typer(no_args_is_help=True)
Out = Annotated[Path, typer.Option(help="Label table (Parquet or CSV) to write.")]


@app.callback()
def _group() -> None:
    """Convert the files of a benchmark to a label table.

    Examples
    --------
    acorn import table accuracies.csv --out labels.parquet
    """


@app.command()
def robustness(source: Path, out: Out, as_json: options.AsJson = False) -> None:
    """Read the folder of the robustness dataset of Jung et al. (ICLR 2023).

    Examples
    --------
    acorn import robustness robustness-data --out labels.parquet
    """
    _write(import_robustness(source), out, as_json=as_json)


@app.command("nats-bench")
def nats_bench(
    source: Path,
    out: Out,
    epochs: Annotated[
        int | None,
        options.optional(
            "Epochs of the training schedule: 12 or 200 (topology); 1, 12 or 90 (size).",
            default="the most",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Read a directory NATS-tss-v1_0-*-simple or NATS-sss-v1_0-*-simple of NATS-Bench.

    Examples
    --------
    acorn import nats-bench NATS-tss-v1_0-3ffb9-simple --out labels.parquet
    """
    with progress("architectures") as on_progress:
        frame = import_nats_bench(source, epochs=epochs, on_progress=on_progress)
    _write(frame, out, as_json=as_json)


@app.command("nas-robbench")
def nas_robbench(source: Path, out: Out, as_json: options.AsJson = False) -> None:
    """Read the JSON file of NAS-RobBench-201, beside its meta.json, or their folder.

    Examples
    --------
    acorn import nas-robbench NAS-RobBench-201_all.json --out labels.parquet
    """
    _write(import_nas_robbench(source), out, as_json=as_json)


@app.command()
def nasbench301(source: Path, out: Out, as_json: options.AsJson = False) -> None:
    """Read the folder nb_301 of NAS-Bench-301, or one results_*.json: networks of DARTS.

    Examples
    --------
    acorn import nasbench301 nb_301_v13 --out labels.parquet
    """
    with progress("runs") as on_progress:
        frame = import_nasbench301(source, on_progress=on_progress)
    _write(frame, out, as_json=as_json)


@app.command("suite-zero")
def suite_zero(
    source: Annotated[
        str, typer.Argument(help="JSON; percent=FILE accepts percent that are all <= 1.")
    ],
    out: Out,
    as_json: options.AsJson = False,
) -> None:
    """Read a JSON file of NAS-Bench-Suite-Zero: validation accuracies and proxies.

    Examples
    --------
    acorn import suite-zero zc_nasbench201.json --out labels.parquet
    """
    marks, path = split_marks(source, {PERCENT})
    _write(import_suite_zero(path, small=bool(marks)), out, as_json=as_json)


@app.command("hw-nas-bench")
def hw_nas_bench(source: Path, out: Out, as_json: options.AsJson = False) -> None:
    """Read latency and energy of HW-NAS-Bench: its pickle, or a table of its columns.

    Examples
    --------
    acorn import hw-nas-bench HW-NAS-Bench-v1_0.pickle --out labels.parquet
    """
    _write(import_hw_nas_bench(source), out, as_json=as_json)


@app.command()
def timm(source: Path, out: Out, as_json: options.AsJson = False) -> None:
    """Read a folder of timm's results-*.csv and benchmark-infer-*.csv.

    Examples
    --------
    acorn import timm pytorch-image-models/results --out labels.parquet
    """
    _write(import_timm(source), out, as_json=as_json)


@app.command()
def table(
    source: Annotated[
        str, typer.Argument(help="CSV or Parquet; percent=FILE accepts percent that are all <= 1.")
    ],
    out: Out,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="NEW=OLD renames a column; may be given several times."),
    ] = None,
    as_json: options.AsJson = False,
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


def _renaming(pair: str) -> tuple[str, str]:
    new, _, old = pair.partition("=")
    if not (new and old):
        raise InputError(f"got --column {pair!r}; expected NEW=OLD")
    return old, new


def _write(frame: pl.DataFrame, out: Path, *, as_json: bool) -> None:
    write_table(frame, out)
    print_result({"out": str(out), "rows": len(frame), "columns": frame.columns}, as_json=as_json)
