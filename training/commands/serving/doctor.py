"""``acorn doctor``."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
        typer.Option(help="Address of a running server to ask as well.", show_default=False),
    ] = None,
    forests: options.ForestsFolder = None,
    var: options.VarFolder = None,
    database_url: options.DatabaseUrl = None,
    device: options.ServerDevice = None,
    as_json: options.AsJson = False,
) -> None:
    """Check whether this installation is sound, and say what to do where it is not.

    Looks at Python, packages, device, folders, database and bundles, starts a worker, and makes a
    prediction with each forest. The exit code is 1 if anything failed.

    Examples
    --------
    acorn doctor

    acorn doctor --json --forests forests --var /var/lib/acorn

    ACORN_API_KEY=acorn_... acorn doctor --url http://127.0.0.1:8000
    """
    from service.doctor import examine

    settings = load_settings(forests=forests, var=var, database_url=database_url, device=device)
    configure_logging("critical")  # what is to be said is in the findings
    with _patience():
        findings = [*examine(settings, url=url)]
    states = Counter(finding.state for finding in findings)
    if as_json:
        checks = [asdict(finding) for finding in findings]
        print_json({"sound": not states["failed"], "checks": checks})
    else:
        rows = [[each.check, each.state, each.found, each.advice] for each in findings]
        print_table(["check", "state", "found", "what to do"], rows)
    if states["failed"]:
        raise typer.Exit(1)


@contextmanager
def _patience() -> Iterator[None]:
    """Show on a terminal that something goes on; starting a worker takes seconds."""
    if not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True).status("checking"):
        yield
