"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ForestsFolder = Annotated[
    Path | None,
    typer.Option(
        help="Folder with one forest bundle a subfolder. Default: the released ones.",
        show_default=False,
    ),
]
VarFolder = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the feature cache. Default: the user's cache folder.",
        show_default=False,
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        help="SQLAlchemy URL of the feature cache. Default: SQLite in the var folder.",
        show_default=False,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where proxies are computed: auto, cpu or cuda. Default: auto.",
        show_default=False,
        autocompletion=lambda: ["auto", "cpu", "cuda"],
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")
]
