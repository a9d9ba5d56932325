"""``acorn doctor``."""

import sys
from contextlib import nullcontext
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from service.observability.logs import configure_logging
from service.settings import load_settings
from training.commands.shared import options
from training.commands.shared.output import print_json, print_table


def doctor(
    url: Annotated[
        str | None,
        typer.Option(help="Address of a running server to check as well.", show_default=False),
    ] = None,
    forests: options.ForestsFolder = None,
    var: options.VarFolder = None,
    database_url: options.DatabaseUrl = None,
    device: options.ServerDevice = None,
    as_json: options.AsJson = False,
) -> None:
    """Check this installation, and advise how to repair it.

    Checks Python, packages, device, folders, database and bundles, starts a worker, and makes a
    prediction with each forest. Each check is ok, a warning or an error; the exit code is 1 if
    there is an error.

    Examples
    --------
    acorn doctor

    acorn doctor --json --forests forests --var /var/lib/acorn

    ACORN_API_KEY=acorn_... acorn doctor --url http://127.0.0.1:8000
    """
    from service.doctor import examine

    settings = load_settings(forests=forests, var=var, database_url=database_url, device=device)
    configure_logging("critical")  # the findings contain everything
    status_line = Console(stderr=True).status("checking") if sys.stderr.isatty() else nullcontext()
    with status_line:  # starting a worker takes seconds
        findings = [*examine(settings, url=url)]
    statuses = {finding.status for finding in findings}
    worst = next((status for status in ("error", "warning") if status in statuses), "ok")
    if as_json:
        print_json({"status": worst, "checks": [asdict(finding) for finding in findings]})
    else:
        rows = [list(asdict(finding).values()) for finding in findings]
        print_table(["check", "status", "message", "advice"], rows)
    if worst == "error":
        raise typer.Exit(1)
