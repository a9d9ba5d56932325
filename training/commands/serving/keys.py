"""``acorn keys new``."""

from typing import Annotated

import typer

from acorn.errors import InputError, abbreviate
from service.http.middleware.keys import NAME, hash_line, new_key
from training.commands.shared import options
from training.commands.shared.output import print_json, print_line

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make API keys.

    Examples
    --------
    acorn keys new laptop
    """


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the user of the key in logs.")],
    as_json: options.AsJson = False,
) -> None:
    """Make a key and show it once; the server gets only its hash.

    Examples
    --------
    acorn keys new laptop
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"got {abbreviate(name)} as the name of a key; "
            "expected up to 64 letters, digits, dots, dashes and underscores"
        )
    key = new_key()
    line = hash_line(name, key)
    if as_json:
        print_json({"name": name, "key": key, "setting": line})
        return
    print_line(f"key for the client:              {key}")
    print_line(f"for the server's ACORN_API_KEYS: {line}")
