"""``acorn forests list``, ``show`` and ``verify``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from acorn.errors import AcornError, InputError, abbreviate
from acorn.forests import Bundle
from service.repository.model_repository import ModelRepository, bundle_paths
from service.repository.served_bundle import ServedBundle
from service.settings import load_settings
from training.commands.shared import completion, options
from training.commands.shared.output import print_json, print_line, print_table

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """List, show and verify forest bundles.

    Examples
    --------
    acorn forests list
    """


@app.command("list")
def list_(forests: options.ForestsFolder = None, as_json: options.AsJson = False) -> None:
    """List the bundles of the forests folder, including refused ones.

    Examples
    --------
    acorn forests list

    acorn forests list --forests forests --json
    """
    listing = ModelRepository(load_settings(forests=forests).forests).snapshot.listing
    if as_json:
        print_line(listing.model_dump_json())
        return
    rows = [
        [f.name, f.version, f.space, f.dataset, str(len(f.targets)), str(f.table_rows), "ok"]
        for f in listing.forests
    ]
    rows += [[r.name, "", "", "", "", "", f"error: {r.reason}"] for r in listing.refused]
    print_table(["forest", "version", "space", "dataset", "targets", "known", "status"], rows)


@app.command()
def show(
    bundle: options.BundleName,
    forests: options.ForestsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a bundle: targets, features, settings, scores.

    Examples
    --------
    acorn forests show nats_tss-cifar10

    acorn forests show forests/mine --json
    """
    path = _find(bundle, forests)
    detail = ServedBundle(Bundle.load(path), path).detail
    if as_json:
        print_line(detail.model_dump_json())
        return
    rows = [
        [name, value if isinstance(value, str) else json.dumps(value)]
        for name, value in detail.model_dump(exclude={"importances", "manifest"}).items()
    ]
    print_table(["", detail.name], rows)


@app.command()
def verify(
    bundle: Annotated[
        str | None,
        typer.Argument(
            help="Name in the forests folder, or a path; by default all bundles.",
            autocompletion=completion.bundles,
        ),
    ] = None,
    forests: options.ForestsFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Check bundles: files against the manifest, and the structure of every tree.

    Examples
    --------
    acorn forests verify

    acorn forests verify nats_tss-cifar10 --json
    """
    folder = load_settings(forests=forests).forests
    paths = [_find(bundle, forests)] if bundle else bundle_paths(folder)
    reasons = {path.name: _reason(path) for path in paths}
    statuses = {name: "error" if reason else "ok" for name, reason in reasons.items()}
    if as_json:
        print_json({n: {"status": statuses[n], "reason": reason} for n, reason in reasons.items()})
    else:
        rows = [[name, f"error: {reason}" if reason else "ok"] for name, reason in reasons.items()]
        print_table(["forest", "status"], rows)
    if any(reasons.values()):
        raise typer.Exit(1)


def _reason(path: Path) -> str:
    """Reason why a bundle is invalid; empty if it is valid."""
    try:
        Bundle.load(path)
    except AcornError as error:
        return str(error)
    return ""


def _find(bundle: str, forests: Path | None) -> Path:
    folder = load_settings(forests=forests).forests
    for path in (folder / bundle, Path(bundle)):
        if path.is_dir():
            return path
    names = ", ".join(path.name for path in bundle_paths(folder)) or "none"
    raise InputError(
        f"no bundle {abbreviate(bundle)}; expected a folder, or a name in {folder}: {names}"
    )
