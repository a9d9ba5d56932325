"""Conditions: what a label depends on besides the architecture, such as the size of the images.

A bundle may read conditions as inputs. A number is one column, ``condition.<name>``; a category is
one column of zeros and ones for each of its values, ``condition.<name>.<value>``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from acorn.errors import InputError, abbreviate

PREFIX = "condition."
"""Prefix of the columns that conditions become."""

IMAGE_SIZE = "image_size"
"""The condition that is the height and width of the images, which structure features depend on."""

MOST_VALUES = 200
"""Most values of a category."""

UNKNOWN = "unknown"
"""Value of an optional category, such as a training recipe, in requests that do not know it."""


def _check_value(value: object) -> int | float | str:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    raise PydanticCustomError("condition", "Input should be a number or a string")


ConditionValue: TypeAlias = Annotated[
    int | float | str,
    PlainValidator(_check_value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
"""Value of a condition: a number, or the name of a category."""


class Condition(BaseModel):
    """A condition that a bundle reads.

    Attributes
    ----------
    name : str
        Name of the column of the label table.
    kind : {"number", "category"}
        Numbers are one input of the model, categories one for each value.
    default : int, float or str
        Value for requests that give none.
    values : list of str, default=[]
        Allowed values of a category.
    lower, upper : float or None, default=None
        Bounds of a number: the range of the labels.
    whole : bool, default=False
        Whether a number has to be an integer, as all of the labels are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,49}$")]
    kind: Literal["number", "category"]
    default: ConditionValue
    values: Annotated[list[str], Field(max_length=MOST_VALUES)] = Field(default_factory=list)
    lower: float | None = None
    upper: float | None = None
    whole: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> "Condition":
        is_number = self.kind == "number"
        if is_number == bool(self.values) or len(set(self.values)) != len(self.values):
            raise ValueError(f"condition {self.name} needs distinct values if it is a category")
        if is_number and (self.lower is None or self.upper is None):
            raise ValueError(f"condition {self.name} needs bounds")
        if self.name == IMAGE_SIZE and not (is_number and self.whole and (self.lower or 0) >= 1):
            raise ValueError(f"condition {self.name} needs to be a positive integer")
        self.read(self.default)
        return self

    @classmethod
    def of(
        cls,
        name: str,
        values: Iterable[float | str],
        *,
        default: str | None = None,
        usual: float | None = None,
    ) -> "Condition":
        """Make the condition of a column of labels.

        Parameters
        ----------
        name : str
            Name of the column.
        values : iterable of float or str
            Values of the column; all numbers, or all text.
        default : str, optional
            Default as text; otherwise ``usual``, or the most common value. :data:`UNKNOWN` makes a
            category optional.
        usual : float, optional
            Default if the column has this value.

        Returns
        -------
        Condition
            It allows the values of the category, or the range of the numbers.

        Raises
        ------
        InputError
            If there are no values, too many categories, or the default is not allowed.
        """
        counts = Counter(values)
        if not counts:
            raise InputError(f"got no value of condition {name!r}; expected a column of them")
        if default == UNKNOWN and all(isinstance(value, str) for value in counts):
            counts[UNKNOWN] += 1
        common = min(counts, key=lambda value: (-counts[value], value))
        first: float | str = common
        if default is not None:
            first = default
        elif usual is not None and usual in counts:
            first = usual
        numbers = [value for value in counts if not isinstance(value, str)]
        if not numbers:
            if len(counts) > MOST_VALUES:
                raise InputError(
                    f"got {len(counts)} values of condition {name!r}; expected at most "
                    f"{MOST_VALUES}, or numbers"
                )
            texts = sorted(map(str, counts))
            condition = cls.model_construct(
                name=name, kind="category", default=texts[0], values=texts
            )
        else:
            condition = cls.model_construct(
                name=name,
                kind="number",
                default=numbers[0],
                lower=float(min(numbers)),
                upper=float(max(numbers)),
                whole=all(value == int(value) for value in numbers),
            )
        fields = condition.model_dump() | {"default": condition.read(_number(first))}
        try:
            return cls.model_validate(fields)
        except ValueError as error:
            raise InputError(f"column {name!r} cannot be a condition: {error}") from None

    @property
    def is_optional(self) -> bool:
        """Whether requests may leave it unknown: its values only shift predictions."""
        return self.default == UNKNOWN

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the inputs of the model."""
        if self.kind == "number":
            return (f"{PREFIX}{self.name}",)
        return tuple(f"{PREFIX}{self.name}.{value}" for value in self.values)

    def read(self, value: object) -> int | float | str:
        """Check a value.

        Parameters
        ----------
        value : object
            Anything, as a request has it.

        Returns
        -------
        int, float or str
            The value; a whole number is an int.

        Raises
        ------
        InputError
            If it is not allowed; says what is.
        """
        if self.kind == "category":
            if isinstance(value, str) and value in self.values:
                return value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            assert self.lower is not None  # noqa: S101 - for the type checker
            assert self.upper is not None  # noqa: S101 - for the type checker
            if self.lower <= value <= self.upper and not (self.whole and value != int(value)):
                return int(value) if self.whole else value
        raise InputError(f"got {self.name} {abbreviate(value)}; expected {self.expected}")

    def accepts(self, value: object) -> bool:
        """Whether :meth:`read` returns a value.

        Parameters
        ----------
        value : object
            Anything.

        Returns
        -------
        bool
        """
        try:
            self.read(value)
        except InputError:
            return False
        return True

    @property
    def expected(self) -> str:
        """Describe the allowed values."""
        if self.kind == "category":
            return f"one of {', '.join(self.values)}"
        number = "an integer" if self.whole else "a number"
        return f"{number} from {self.lower:g} to {self.upper:g}"

    def encode(self, value: float | str) -> list[float]:
        """Convert a value to inputs of the model.

        Parameters
        ----------
        value : float or str
            A value that :meth:`read` returns.

        Returns
        -------
        list of float
            One for each of :attr:`columns`.
        """
        if isinstance(value, str):
            return [float(value == known) for known in self.values]
        return [float(value)]


def category_columns(names: Sequence[str]) -> dict[str, list[int]]:
    """Find the inputs of each category among the inputs of a model.

    Parameters
    ----------
    names : sequence of str
        Names of inputs.

    Returns
    -------
    dict of str to list of int
        Places of the columns of the values of each category, by name of the condition.
    """
    columns: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        condition, dot, _ = name.removeprefix(PREFIX).partition(".")
        if name.startswith(PREFIX) and dot:
            columns.setdefault(condition, []).append(place)
    return columns


def read_conditions(
    conditions: Sequence[Condition], given: Mapping[str, object]
) -> tuple[dict[str, int | float | str], dict[str, str]]:
    """Check the conditions of a request.

    Parameters
    ----------
    conditions : sequence of Condition
        Those of the bundle.
    given : mapping of str to object
        Values by name.

    Returns
    -------
    values : dict of str to int, float or str
        Valid values, by name.
    errors : dict of str to str
        What is wrong with each of the others.
    """
    by_name = {condition.name: condition for condition in conditions}
    values: dict[str, int | float | str] = {}
    errors = {}
    for name, value in given.items():
        if name not in by_name:
            expected = f"one of {', '.join(by_name)}" if by_name else "no condition"
            errors[name] = f"got condition {abbreviate(name)}; expected {expected}"
            continue
        try:
            values[name] = by_name[name].read(value)
        except InputError as error:
            errors[name] = str(error)
    return values, errors


def resolve_conditions(
    conditions: Sequence[Condition], *given: Mapping[str, object] | None
) -> dict[str, int | float | str]:
    """Give each condition of a bundle its value.

    Parameters
    ----------
    conditions : sequence of Condition
        Those of the bundle.
    *given : mapping of str to object, or None
        Values by name; later mappings win.

    Returns
    -------
    dict of str to int, float or str
        A value for each condition, in their order; the default if none is given.

    Raises
    ------
    InputError
        For an unknown condition, or a value that is not allowed.
    """
    merged: dict[str, object] = {}
    for mapping in given:
        merged |= mapping or {}
    values, errors = read_conditions(conditions, merged)
    if errors:
        raise InputError("; ".join(errors.values()))
    return {
        condition.name: values.get(condition.name, condition.default) for condition in conditions
    }


def encode_conditions(
    conditions: Sequence[Condition], values: Mapping[str, int | float | str]
) -> dict[str, float]:
    """Convert the values of all conditions to inputs of the model.

    Parameters
    ----------
    conditions : sequence of Condition
        Those of the bundle.
    values : mapping of str to int, float or str
        A value for each of them, as :func:`resolve_conditions` returns them.

    Returns
    -------
    dict of str to float
        By name of the column.
    """
    return {
        column: number
        for condition in conditions
        for column, number in zip(
            condition.columns, condition.encode(values[condition.name]), strict=True
        )
    }


def parse_conditions(text: str) -> dict[str, int | float | str]:
    """Read conditions from a command line.

    Parameters
    ----------
    text : str
        Such as ``image_size=288,pretraining=none``.

    Returns
    -------
    dict of str to int, float or str
        Values by name; text that is a number becomes one.

    Raises
    ------
    InputError
        If a part has no equals sign.
    """
    values: dict[str, int | float | str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = map(str.strip, part.partition("="))
        if not equals:
            raise InputError(f"got condition {abbreviate(part)}; expected NAME=VALUE")
        values[name] = _number(value)
    return values


def _number(value: float | str) -> int | float | str:
    """Convert text that is a number."""
    if isinstance(value, str):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return value
