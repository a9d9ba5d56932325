"""The command ``acorn``: its subcommands, their configuration and their exit codes.

Exit codes: 0 success; 2 bad usage or bad input, with one line on stderr; 1 any other failure.
"""

import contextvars
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import TyperException

import acorn
from acorn.errors import AcornError, InputError
from acorn.spaces.plugins import VARIABLE
from service.errors import InvalidRequestError
from service.settings import config_file, read_config
from training.commands.pipeline import importing
from training.commands.pipeline.evaluate import evaluate
from training.commands.pipeline.evolve import evolve
from training.commands.pipeline.features import features
from training.commands.pipeline.label import label
from training.commands.pipeline.search import search
from training.commands.pipeline.suggest import suggest
from training.commands.pipeline.train import train
from training.commands.serving import forests, keys
from training.commands.serving.doctor import doctor
from training.commands.serving.export import export
from training.commands.serving.predict import predict
from training.commands.serving.serve import serve
from training.commands.shared import options
from training.commands.shared.examples import show_examples

app = typer.Typer(name="acorn", no_args_is_help=True, pretty_exceptions_enable=False)
COMMANDS: tuple[Callable[..., None], ...] = (
    serve, predict, export, doctor, features, label, train, evaluate, suggest, search, evolve
)  # fmt: skip
for command in COMMANDS:
    app.command()(options.with_plugins(command))
for name, group in (("forests", forests), ("keys", keys), ("import", importing)):
    for registered in group.app.registered_commands:
        registered.callback = options.with_plugins(registered.callback)
    app.add_typer(group.app, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"acorn {acorn.__version__}\n")
        raise typer.Exit


@app.callback()
def configure(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with settings. Default: acorn.toml, if it exists.", show_default=False
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 (its callback prints the version)
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Predict the clean and the robust accuracy of neural architectures before training.

    Examples
    --------
    acorn predict --space nats_sss --arch 64:64:64:64:64

    acorn serve

    acorn doctor

    acorn --install-completion
    """
    if config is not None:
        config_file.set(config)
    context.default_map = _defaults(context.command, read_config())


def _defaults(command: Any, config: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401, RUF100
    """Defaults of each command: the scalars of the configuration file, and the command's table."""
    shared = {key: value for key, value in config.items() if not isinstance(value, dict)}
    if not hasattr(command, "commands"):
        return shared
    return {
        name: _defaults(subcommand, shared | config.get(name, {}))
        for name, subcommand in command.commands.items()
    }


def _all_commands(command: Any) -> Iterator[Any]:  # noqa: ANN401, RUF100
    yield command
    for subcommand in getattr(command, "commands", {}).values():
        yield from _all_commands(subcommand)


def _name_variables(command: Any) -> None:  # noqa: ANN401, RUF100
    """Let the environment set every option of a command: ``ACORN_<OPTION>``."""
    for parameter in command.params:
        is_setting = parameter.param_type_name == "option" and parameter.expose_value
        if is_setting and not (parameter.is_eager or parameter.envvar):
            longest = max(parameter.opts, key=len)
            parameter.envvar = f"ACORN_{longest.lstrip('-').replace('-', '_').upper()}"


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str
        Words of the command line after ``acorn``.

    Returns
    -------
    int
        Exit code.
    """
    command = typer.main.get_command(app)
    for subcommand in _all_commands(command):
        _name_variables(subcommand)
        show_examples(subcommand)
    plugins = os.environ.get(VARIABLE)
    try:
        code = contextvars.copy_context().run(
            command.main, list(arguments), prog_name="acorn", standalone_mode=False
        )
    except TyperException as error:
        return _fail(error.format_message(), error.exit_code)
    except InvalidRequestError as error:
        first = error.errors[0]
        more = f" (and {len(error.errors) - 1} more)" if len(error.errors) > 1 else ""
        return _fail(f"{first.pointer}: {first.detail}{more}", 2)
    except (AcornError, OSError) as error:
        return _fail(str(error), 2 if isinstance(error, InputError) else 1)
    finally:  # an option of this command names no plugins for the next one
        os.environ.pop(VARIABLE, None)
        if plugins is not None:
            os.environ[VARIABLE] = plugins
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"acorn: {' '.join(message.split())}\n")
    return code


def main() -> None:
    """Run ``acorn``."""
    sys.exit(run(sys.argv[1:]))
