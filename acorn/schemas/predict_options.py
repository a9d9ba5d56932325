"""The options of a prediction, for requests, jobs, cache keys, clients and the command line.

A new option needs a field in :class:`PredictOptions` and, for static typing of the client's keyword
arguments, one in :class:`Options`. Everything else is derived from these.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict  # pydantic's, before Python 3.12

from acorn.conditions import ConditionValue, parse_conditions
from acorn.datasets import canonical_name
from acorn.errors import InputError

DatasetName = Annotated[str, AfterValidator(canonical_name)]
"""A dataset in any usual spelling, converted to its canonical name; unknown names pass."""

MOST_CONDITIONS = 50
"""Most conditions of a request."""

Explain = Literal["none", "path", "shap"]


class ForestOptions(BaseModel):
    """What chooses a forest and says how it predicts, all with defaults."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    dataset: DatasetName | None = Field(
        None,
        description="Dataset of the predicted accuracies, in any spelling that is read; by default "
        "that of the named forest, or the first dataset of the space in GET /spaces that has a "
        "forest, such as cifar10 for nats_tss and imagenet1k for timm.",
    )
    interval: float = Field(
        0.9, gt=0.0, lt=1.0, allow_inf_nan=False, description="Level of the intervals, 0..1."
    )
    conditions: dict[str, ConditionValue] | None = Field(
        None,
        max_length=MOST_CONDITIONS,
        description="Conditions that the forest reads besides the architecture, such as the size "
        'of the images: {"image_size": 288}; by default those of GET /forests/{name}.',
    )
    forest: str | None = Field(
        None,
        description="Name of the forest, or name@version; by default the newest one of the space "
        "and dataset.",
    )


class PredictOptions(ForestOptions):
    """Options of a prediction, all with defaults."""

    targets: list[str] | None = Field(
        None, min_length=1, description="Targets to predict; by default all targets of the forest."
    )
    explain: Explain = Field(
        "none",
        description="Contributions of each feature: along the paths of the trees (path) or Shapley "
        "values (shap), which take about a tenth of a second for each architecture and target.",
    )
    features: bool = Field(True, description="Whether the response has the features.")
    proxies: list[str] | None = Field(
        None,
        min_length=1,
        description="Proxies to add to each prediction, as POST /proxies computes them with seed "
        "0; by default none.",
    )


class Options(TypedDict, total=False):
    """Keyword arguments of the client's methods: the fields of :class:`PredictOptions`."""

    dataset: str | None
    targets: str | Sequence[str] | None
    interval: float
    explain: Explain
    features: bool
    conditions: Mapping[str, float | str] | None
    forest: str | None
    proxies: str | Sequence[str] | None


def read_query(
    query: Mapping[str, str], options: type[BaseModel] = PredictOptions
) -> dict[str, object]:
    """Convert options from the text of a query or a command line to the values of JSON.

    Parameters
    ----------
    query : mapping of str to str
        Text by name of the option. Lists are separated by commas; objects are JSON, or pairs such
        as ``image_size=288,pretraining=none``.
    options : type of BaseModel, default=PredictOptions
        The schema of the options.

    Returns
    -------
    dict of str to object
        Values by name, not yet validated. Text that cannot be converted is left as it is, and
        names that are not options are left out.
    """
    kinds = _kinds(options)
    return {name: _value(text, kinds[name]) for name, text in query.items() if name in kinds}


def write_query(options: Mapping[str, object]) -> dict[str, str]:
    """Convert options to text that :func:`read_query` converts back.

    Parameters
    ----------
    options : mapping of str to object
        Values by name of the option.

    Returns
    -------
    dict of str to str
        Text by name.
    """
    return {name: _text(value) for name, value in options.items()}


@cache
def _kinds(options: type[BaseModel]) -> dict[str, set[str]]:
    """Find the JSON types of each option."""
    properties: dict[str, Any] = options.model_json_schema()["properties"]
    return {
        name: {part.get("type", "object") for part in schema.get("anyOf", (schema,))}
        for name, schema in properties.items()
    }


def _value(text: str, kinds: set[str]) -> object:
    if "array" in kinds:
        return [item.strip() for item in text.split(",")]
    if "string" in kinds:
        return text
    if "object" in kinds and not text.lstrip().startswith("{"):
        with suppress(InputError):
            return parse_conditions(text)
        return text
    with suppress(ValueError, RecursionError):
        return float(text) if "number" in kinds else json.loads(text)
    return text


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)
