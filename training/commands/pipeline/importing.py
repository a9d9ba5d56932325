"""``acorn import``."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from acorn.errors import InputError
from acorn.targets import PERCENT
from training.commands.shared import options
from training.commands.shared.output import print_result
from training.labels.importers import import_robustness, import_table
from training.labels.reading import split_marks

app = typer.Typer(no_args_is_help=True)
Out = Annotated[Path, typer.Option(help="Label table (Parquet) to write.")]


@app.callback()
def _group() -> None:
    """Turn a benchmark's own files into a label table.

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


@app.command()
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
    out.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(out)
    print_result({"out": str(out), "rows": len(frame), "columns": frame.columns}, as_json=as_json)
