"""Options that several commands share."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from acorn.datasets import canonical_name
from service.settings import Settings
from training.commands.shared.completion import bundles, datasets, devices, spaces


def field_option(schema: type[BaseModel], name: str, **options: Any) -> Any:  # noqa: ANN401, RUF100
    """Make an option of a field of a schema, with the field's own description and default."""
    field = schema.model_fields[name]
    has_default = not field.default_factory and field.default not in ("", (), None)
    text = f"{field.description} Default: {field.default}." if has_default else field.description
    return typer.Option(help=text, show_default=False, **options)


def with_fields(
    schema: type[BaseModel],
    *,
    omit: frozenset[str] = frozenset(),
    **completions: Callable[[], Sequence[str]],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace the ``**`` argument of a command by one option of text for each field of a schema.

    Parameters
    ----------
    schema : type of BaseModel
        Each option gets a field's name, description and default.
    omit : frozenset of str, default=frozenset()
        Fields without an option.
    **completions : callable
        The values that the shell offers, by name of the field.

    Returns
    -------
    callable
        A decorator of a function with an argument such as ``**texts: str | None``.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        given = [each for each in signature.parameters.values() if each.kind != each.VAR_KEYWORD]
        fields = [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=None,
                annotation=Annotated[
                    str | None, field_option(schema, name, autocompletion=completions.get(name))
                ],
            )
            for name in schema.model_fields
            if name not in omit
        ]
        required = [each for each in given if each.default is each.empty]
        parameters = [*required, *fields, *given[len(required) :]]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def setting(name: str, **options: Any) -> Any:  # noqa: ANN401, RUF100 (typer.Option is untyped)
    """Make an option of a setting of the server."""
    return field_option(Settings, name, **options)


def optional(text: str, *, default: str = "none", **options: Any) -> Any:  # noqa: ANN401, RUF100
    """Make an option that may be left out, with words for what happens then."""
    return typer.Option(help=f"{text} [default: {default}]", show_default=False, **options)


def names(text: str) -> list[str]:
    """Split a list with commas between, without empty names and repetitions."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _canonical_name(dataset: str | None) -> str | None:
    return dataset if dataset is None else canonical_name(dataset)


Space = Annotated[
    str, typer.Option(help="Architecture space, such as nats_tss.", autocompletion=spaces)
]
Dataset = Annotated[
    str,
    typer.Option(
        help="Dataset, such as cifar10.", autocompletion=datasets, callback=_canonical_name
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
Archs = Annotated[str, typer.Option(help="all, sample:N, or a file with one a line.")]
Images = Annotated[
    str | None,
    optional("Images to measure with: npz, image folder or CIFAR root.", default="embedded"),
]
Shard = Annotated[str | None, optional("i/n computes the i-th of n parts.", default="all")]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0 is one a core.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:INDEX.", autocompletion=devices)]
Seed = Annotated[int, typer.Option(help="Seeds everything random.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")
]

BundleName = Annotated[
    str,
    typer.Argument(help="Name in the forests folder, or a path.", autocompletion=bundles),
]
ForestsFolder = Annotated[Path | None, setting("forests")]
VarFolder = Annotated[Path | None, setting("var")]
DatabaseUrl = Annotated[str | None, setting("database_url")]
ServerDevice = Annotated[str | None, setting("device", autocompletion=devices)]
