"""Options that several commands share."""

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel

from acorn.datasets import canonical_name
from acorn.spaces import SPACES
from acorn.spaces.plugins import VARIABLE, name_plugins
from service.settings import Settings, read_config
from training.commands.shared.completion import bundles, datasets, devices, spaces


def field_option(schema: type[BaseModel], name: str, **options: Any) -> Any:  # noqa: ANN401, RUF100
    """Make an option from a field of a schema.

    Parameters
    ----------
    schema : type of BaseModel
        Its field gives the help and the default of the option.
    name : str
        Name of the field.
    **options
        Arguments of ``typer.Option``.

    Returns
    -------
    typer option
    """
    field = schema.model_fields[name]
    has_default = not field.default_factory and field.default not in ("", (), None)
    text = f"{field.description} Default: {field.default}." if has_default else field.description
    return typer.Option(help=text, show_default=False, **options)


def with_fields(
    schema: type[BaseModel],
    *,
    omit: frozenset[str] = frozenset(),
    as_text: bool = False,
    **completions: Callable[[], Sequence[str]],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace the ``**`` argument of a command by one option for each field of a schema.

    Parameters
    ----------
    schema : type of BaseModel
        Each option has the name, description and default of a field.
    omit : frozenset of str, default=frozenset()
        Fields without an option.
    as_text : bool, default=False
        Whether each option is text, whatever the type of its field.
    **completions : callable
        Values that the shell offers, by name of the field.

    Returns
    -------
    callable
        A decorator of a function with an argument such as ``**values: object``.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        kept = [each for each in signature.parameters.values() if each.kind != each.VAR_KEYWORD]
        fields = [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=None,
                annotation=Annotated[
                    (str if as_text else _option_type(field.annotation)) | None,
                    field_option(schema, name, autocompletion=completions.get(name)),
                ],
            )
            for name, field in schema.model_fields.items()
            if name not in omit
        ]
        required = [each for each in kept if each.default is each.empty]
        parameters = [*required, *fields, *kept[len(required) :]]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def with_plugins(command: Callable[..., None] | None) -> Callable[..., None]:
    """Add the option ``--plugin`` to a command.

    Parameters
    ----------
    command : callable
        Function of the command.

    Returns
    -------
    callable
        The same command; the option acts before the other options are read.
    """
    assert command is not None  # noqa: S101 - typer's type of the function of a command

    @functools.wraps(command)
    def run(*args: object, plugin: object = None, **options: object) -> None:  # noqa: ARG001
        command(*args, **options)

    signature = inspect.signature(command)
    option = inspect.Parameter(
        "plugin", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Plugins
    )
    parameters = [*signature.parameters.values(), option]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run


def _use_plugins(context: typer.Context, modules: list[str] | None) -> list[str] | None:
    """Name the plugins of this process and of those that it starts, and import them."""
    named = modules or read_config().get("plugins", ())
    plugins = [
        name for text in ([named] if isinstance(named, str) else named) for name in names(text)
    ]
    if plugins:
        if (folder := str(Path.cwd())) not in sys.path:
            sys.path.append(folder)  # an installed program does not search the working directory
        name_plugins(plugins)
        if context.info_name != "doctor":  # which reports what it finds
            SPACES.load_plugins()
    return modules


def _option_type(annotation: Any) -> Any:  # noqa: ANN401, RUF100
    """Type of the option of a field: an optional ``int`` is an ``int``, a tuple a list of texts."""
    if isinstance(annotation, UnionType):
        annotation = get_args(annotation)[0]
    return {Literal: str, tuple: list[str]}.get(get_origin(annotation), annotation)


def optional(text: str, *, default: str = "none", **options: Any) -> Any:  # noqa: ANN401, RUF100
    """Make an option that may be left out.

    Parameters
    ----------
    text : str
        Help.
    default : str, default="none"
        Words for the default, which the help shows.
    **options
        Arguments of ``typer.Option``.

    Returns
    -------
    typer option
    """
    return typer.Option(help=f"{text} [default: {default}]", show_default=False, **options)


def names(text: str) -> list[str]:
    """Split a comma-separated list.

    Parameters
    ----------
    text : str
        Names with commas between.

    Returns
    -------
    list of str
        Names in order, without empty ones and repetitions.
    """
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


Space = Annotated[
    str, typer.Option(help="Architecture space, such as nats_tss.", autocompletion=spaces)
]
Dataset = Annotated[
    str,
    typer.Option(
        help="Dataset, such as cifar10.",
        autocompletion=datasets,
        callback=lambda name: name and canonical_name(name),
    ),
]
_LABEL_FILES = (
    "Label table (Parquet or CSV); may be given several times. "
    "adv=FILE reads labels of adversarially trained networks; percent=FILE accepts labels in "
    "percent that are all at most 1."
)
LabelFiles = Annotated[list[str], typer.Option(help=_LABEL_FILES)]
OptionalLabelFiles = Annotated[
    list[str] | None, optional(_LABEL_FILES, default="rank without labels")
]
Archs = Annotated[
    str,
    typer.Option(
        help="all, sample:N, a text file with one architecture on each line, or a label table."
    ),
]
Images = Annotated[
    str | None,
    optional("Images to measure with: npz, image folder or CIFAR root.", default="embedded"),
]
Shard = Annotated[str | None, optional("i/n computes the i-th of n parts.", default="all")]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0 is one for each core.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:INDEX.", autocompletion=devices)]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Plugins = Annotated[
    list[str] | None,
    optional(
        "Module with architecture spaces of your own; may be given several times.",
        default="ACORN_PLUGINS",
        callback=_use_plugins,
        envvar=VARIABLE,
        show_envvar=False,
        is_eager=True,
        metavar="MODULE",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else.")]

BundleName = Annotated[
    str, typer.Argument(help="Name in the forests folder, or a path.", autocompletion=bundles)
]
ForestsFolder = Annotated[Path | None, field_option(Settings, "forests")]
VarFolder = Annotated[Path | None, field_option(Settings, "var")]
DatabaseUrl = Annotated[str | None, field_option(Settings, "database_url")]
ServerDevice = Annotated[str | None, field_option(Settings, "device", autocompletion=devices)]
