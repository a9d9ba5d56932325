"""Options that several commands of training share."""

from typing import Annotated

import typer

from acorn.datasets import DATASETS, canonical_name
from acorn.spaces import SPACES


def _own_spelling(dataset: str | None) -> str | None:
    return dataset if dataset is None else canonical_name(dataset)


Space = Annotated[
    str,
    typer.Option(help="Architecture space, such as nats_tss.", autocompletion=lambda: list(SPACES)),
]
Dataset = Annotated[
    str,
    typer.Option(
        help="Dataset, such as cifar10.",
        autocompletion=lambda: list(DATASETS),
        callback=_own_spelling,
    ),
]
LabelFiles = Annotated[
    list[str],
    typer.Option(
        help="Label table (Parquet or CSV); may be given several times. "
        "adv=FILE reads labels of adversarially trained networks; percent=FILE accepts percent of "
        "which all are at most 1."
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(help="i/n computes the i-th of n parts. [default: all]", show_default=False),
]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0 is one a core.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")
]
Seed = Annotated[int, typer.Option(help="Seeds everything random.")]


def names(text: str) -> list[str]:
    """Split a list with commas between; empty ones are left out."""
    return [name.strip() for name in text.split(",") if name.strip()]
