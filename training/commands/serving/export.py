"""``acorn export``."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from acorn.errors import InputError, abbreviate, one_line
from training.commands.shared import options
from training.commands.shared.output import print_result


def export(
    factory: Annotated[
        str,
        typer.Argument(
            metavar="PACKAGE.MODULE:FACTORY",
            help="A function or class without arguments that makes the network, or the network.",
        ),
    ],
    input_shape: Annotated[
        str, typer.Option(help="Channels, height and width of an image, such as 3,32,32.")
    ],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    as_json: options.AsJson = False,
) -> None:
    """Write a network in Python as a declared graph, which predictions take.

    The module is imported and the factory is called, by whoever runs this command. Modules are
    found in the working directory, too. acorn predict --spec and POST /predict take the result.

    Examples
    --------
    acorn export my_package.networks:make_network --input-shape 3,32,32 --out net.json

    acorn export timm.models.resnet:resnet18 --input-shape 3,224,224 --out resnet18.json
    """
    from acorn import export_graph
    from acorn.graph import count_params

    shape = _shape(input_shape)
    network = _network(factory)
    spec = export_graph(network, shape)
    out.write_text(json.dumps(spec) + "\n", "utf-8")
    print_result(
        {"out": str(out), "nodes": len(spec["arch"]["nodes"]), "params": count_params(network)},
        as_json=as_json,
    )


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, text.split(",")))
    except ValueError:
        raise InputError(f"got input shape {abbreviate(text)}; expected 3,HEIGHT,WIDTH") from None


def _network(factory: str) -> Any:  # noqa: ANN401, RUF100
    """Import the user's module, and make the network."""
    from torch import nn

    name, _, attribute = factory.partition(":")
    if not name or not attribute:
        raise InputError(f"got {abbreviate(factory)}; expected PACKAGE.MODULE:FACTORY")
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.append(folder)  # an installed program does not search the working directory
    try:
        made: Any = import_module(name)
        for part in attribute.split("."):
            made = getattr(made, part)
        return made if isinstance(made, nn.Module) else made()
    except Exception as error:  # the user's code may raise anything
        raise InputError(f"got {factory}, which cannot be made: {one_line(error)}") from error
