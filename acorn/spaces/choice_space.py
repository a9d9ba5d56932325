"""A base class for spaces whose architectures are a fixed number of choices."""

import math
import random
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import islice, product
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from acorn.datasets import DATASETS, Dataset
from acorn.errors import InputError, InvalidArchitectureError, abbreviate
from acorn.spaces.base import Architecture, ChoiceValue, Cost, Neighbour, Space
from acorn.spaces.building import build_without_weights
from acorn.strict_json import JSONError, parse_json

if TYPE_CHECKING:
    from torch import nn

LARGEST = 100_000
"""Number of combinations up to which a space lists its architectures."""


_MOST_POSITIONS = 1_000
_MOST_VALUES = 1_000
_TEXT = re.compile(r"[A-Za-z0-9_.+-]{1,64}")
_TRIES = 100  # draws for each architecture that is wanted, if a model of choices refuses some


@dataclass(frozen=True, slots=True)
class _Choice:
    """A field of the model of choices.

    Attributes
    ----------
    name : str
        Name of the field.
    allowed : tuple of tuple
        Values at each position.
    is_repeated : bool
        Whether the field is a tuple.
    """

    name: str
    allowed: tuple[tuple[ChoiceValue, ...], ...]
    is_repeated: bool

    @property
    def titles(self) -> list[str]:
        """Name of each position."""
        if not self.is_repeated:
            return [self.name]
        return [f"{self.name}, position {place}" for place in range(len(self.allowed))]

    def read(self, got: object) -> ChoiceValue | tuple[ChoiceValue, ...]:
        """Read a value, or a sequence of values, as JSON or a Python program holds it."""
        if not self.is_repeated:
            return _read(self.name, got, self.allowed[0])
        if not isinstance(got, list | tuple) or len(got) != len(self.allowed):
            raise InvalidArchitectureError(
                f"{self.name}: got {abbreviate(got)}; expected a list of {len(self.allowed)} values"
            )
        return tuple(
            _read(title, value, allowed)
            for title, value, allowed in zip(self.titles, got, self.allowed, strict=True)
        )

    def read_text(self, text: str) -> ChoiceValue | tuple[ChoiceValue, ...]:
        """Read the text of a value, or of values with colons between."""
        words = [word.strip() for word in text.split(":")]
        if len(words) != len(self.allowed):
            count = f"{len(self.allowed)} values with colons between"
            expected = count if self.is_repeated else "one value"
            raise InvalidArchitectureError(
                f"{self.name}: got {abbreviate(text)}; expected {expected}"
            )
        value_by_text = [{_text(value): value for value in values} for values in self.allowed]
        values = [
            by_text.get(word, word) for by_text, word in zip(value_by_text, words, strict=True)
        ]
        return self.read(values if self.is_repeated else values[0])

    def values(self, choices: object) -> tuple[ChoiceValue, ...]:
        """Return the values of a model, one for each position."""
        value = self.read(getattr(choices, self.name))
        return value if isinstance(value, tuple) else (value,)


class ChoiceSpace(Space):
    """A space whose architectures are a fixed number of choices.

    A subclass declares :attr:`name` and :attr:`choices`, and builds networks by :meth:`network`.
    Parsing, the canonical form, lists, samples, mutations, columns, cost, description and example
    follow from the declaration; each may be overridden.

    Attributes
    ----------
    choices : type
        A dataclass or a pydantic model, better frozen. The type of each field is a ``Literal`` of
        strings, numbers, booleans or None, or ``bool``, or a tuple of these:
        ``tuple[Literal[3, 5], Literal[3, 5]]``, or ``Annotated[tuple[Literal[3, 5], ...], 20]``
        for twenty positions. A model whose construction raises ValueError refuses a combination.
    datasets : tuple of str, default=all
        Datasets that the networks are defined for.
    combinations : int
        Number of combinations of the allowed values, those that the model refuses included.
    size : int or None
        The same; None above 100,000, because the space is then not listed.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Choices:
    ...     width: Literal[16, 32]
    ...     kernels: Annotated[tuple[Literal[3, 5, 7], ...], 4]
    >>> class ChainSpace(ChoiceSpace):
    ...     name, choices = "chain", Choices
    ...
    ...     def network(self, choices, dataset):
    ...         return make_chain(choices.width, choices.kernels, dataset.num_classes)
    >>> ChainSpace().parse({"width": 16, "kernels": [3, 3, 5, 3]}).canonical
    'width=16,kernels=3:3:5:3'
    """

    choices: type[Any]
    combinations: int
    datasets = tuple(DATASETS)
    needs_package = "torch"  # only `cost` does: a server calls it in an isolated process
    _fields: tuple[_Choice, ...]

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401, RUF100
        """Read the declaration, and derive the attributes that the class does not have."""
        super().__init_subclass__(**options)
        if "choices" not in cls.__dict__:
            return
        cls._fields = _read_fields(cls.choices)
        cls.combinations = math.prod(len(allowed) for allowed in cls._positions())
        derived: dict[str, object] = {
            "size": cls.combinations if cls.combinations <= LARGEST else None,
            "description": (cls.__doc__ or "").strip().partition("\n")[0]
            or f"Choices of {', '.join(field.name for field in cls._fields)}",
            "example": cls._first(),
        }
        for attribute, value in derived.items():
            if attribute not in cls.__dict__:
                setattr(cls, attribute, value)

    @abstractmethod
    def network(self, choices: Any, dataset: Dataset) -> "nn.Module":  # noqa: ANN401, RUF100
        """Build the network of some choices.

        Parameters
        ----------
        choices : instance of :attr:`choices`
            What was chosen.
        dataset : Dataset
            Gives the shape of the images and the number of classes.

        Returns
        -------
        torch.nn.Module
            Maps images (batch, channels, height, width) to logits (batch, num_classes).
        """

    def canonical_choices(self, choices: Any) -> Any:  # noqa: ANN401, RUF100
        """Map choices to those that represent all equivalent ones; by default there are none.

        Parameters
        ----------
        choices : instance of :attr:`choices`
            Any.

        Returns
        -------
        instance of :attr:`choices`
            For instance with the first allowed value at positions that the network does not use.
            A second call changes nothing.
        """
        return choices

    def parse(self, spec: object) -> Architecture:
        """Read choices: a mapping, its JSON text, or text such as ``width=16,kernels=3:5``.

        Parameters
        ----------
        spec : object
            Anything, as a request holds it.

        Returns
        -------
        Architecture

        Raises
        ------
        InvalidArchitectureError
            Names the first field that is missing, unknown or not allowed.
        """
        choices = self.read(spec)
        return Architecture(self.name, self._write(choices), self._canonical(choices))

    def read(self, spec: object) -> Any:  # noqa: ANN401, RUF100
        """Read choices, as :meth:`parse` does.

        Parameters
        ----------
        spec : object
            Anything, as a request holds it.

        Returns
        -------
        instance of :attr:`choices`
        """
        if isinstance(spec, self.choices):
            spec = {field.name: getattr(spec, field.name) for field in self._fields}
        is_text = isinstance(spec, str) and not spec.lstrip().startswith("{")
        values = self._split(spec) if isinstance(spec, str) else spec
        if not isinstance(values, Mapping):
            raise InvalidArchitectureError(
                f"got {abbreviate(spec)}; expected choices such as {self.example}"
            )
        names = [field.name for field in self._fields]
        unknown = [name for name in islice(values, len(names) + 1) if name not in names]
        missing = [name for name in names if name not in values]
        if unknown or missing:
            problem = f"the choice {abbreviate(unknown[0])}" if unknown else f"no {missing[0]}"
            raise InvalidArchitectureError(f"got {problem}; expected {', '.join(names)}")
        return self._make(
            {
                field.name: (field.read_text if is_text else field.read)(values[field.name])
                for field in self._fields
            }
        )

    def build(self, arch: str, dataset: Dataset) -> "nn.Module":
        """Build the network of exactly these choices.

        Parameters
        ----------
        arch : str
            A specification of this space.
        dataset : Dataset
            Gives the input shape and the number of classes.

        Returns
        -------
        torch.nn.Module
            What :meth:`network` returns.
        """
        return self.network(self.read(arch), dataset)

    def cost(self, arch: str, dataset: Dataset) -> Cost:
        """Count the parameters and multiply-accumulates of the network, built without weights.

        Parameters
        ----------
        arch : str
            A specification of this space.
        dataset : Dataset
            Gives the input shape and the number of classes.

        Returns
        -------
        Cost
            In millions.
        """
        from acorn.graph import count_params, trace

        network = build_without_weights(self, arch, dataset)
        macs = trace(network, dataset.input_shape).macs
        return Cost(count_params(network) / 1e6, macs / 1e6)

    def recognises(self, spec: object) -> bool:  # noqa: ARG002
        """Return True: parsing needs no package.

        Parameters
        ----------
        spec : object
            Any specification.

        Returns
        -------
        bool
        """
        return True

    def enumerate(self) -> Iterator[str]:
        """List all architectures of a space of at most 100,000 combinations.

        Yields
        ------
        str
            Each architecture as text, in a fixed order.

        Raises
        ------
        InputError
            For a larger space.
        """
        if self.combinations > LARGEST:
            raise InputError(
                f"got all of {self.name}, which has {self.combinations:,} architectures; "
                f"expected sample:N or a file of architectures"
            )
        return filter(None, map(self._join, product(*self._positions())))

    def sample(self, n: int, *, seed: int) -> list[str]:
        """Draw distinct architectures uniformly; a large space is not listed.

        Parameters
        ----------
        n : int
            How many.
        seed : int
            The same seed draws the same architectures.

        Returns
        -------
        list of str

        Raises
        ------
        InputError
            If so many are not found.
        """
        if self.combinations <= LARGEST:
            return super().sample(n, seed=seed)
        rng = random.Random(seed)
        positions = self._positions()
        drawn: dict[str, None] = {}
        for _ in range(_TRIES * n):
            if len(drawn) == n:
                break
            text = self._join([rng.choice(allowed) for allowed in positions])
            if text is not None:
                drawn[text] = None
        if len(drawn) < n:
            raise InputError(f"got sample:{n}; expected at most the {len(drawn)} that were found")
        return [*drawn]

    def mutate(self, arch: str, *, seed: int) -> str:
        """Change one choice, so that the canonical form changes as well.

        Parameters
        ----------
        arch : str
            A specification of this space.
        seed : int
            Seeds the choice and its new value.

        Returns
        -------
        str
            The changed architecture.

        Raises
        ------
        InputError
            If no change gives another architecture.
        """
        choices = self.read(arch)
        canonical, values = self._canonical(choices), self._values(choices)
        rng, positions = random.Random(seed), self._positions()
        for place in rng.sample(range(len(values)), len(values)):
            others = [value for value in positions[place] if value != values[place]]
            for value in rng.sample(others, len(others)):
                text = self._join([*values[:place], value, *values[place + 1 :]])
                if text is not None and self._canonical(self.read(text)) != canonical:
                    return text
        raise InputError(f"got {abbreviate(arch)}; expected an architecture with a neighbour")

    def neighbours(self, arch: str) -> Iterator[Neighbour]:
        """Change each choice to each other value that the model accepts.

        Parameters
        ----------
        arch : str
            A specification of this space.

        Yields
        ------
        Neighbour
            In the order of the choices.
        """
        values, positions = self._values(self.read(arch)), self._positions()
        titles = [title for field in self._fields for title in field.titles]
        for place, (before, allowed) in enumerate(zip(values, positions, strict=True)):
            for value in allowed:
                text = self._join([*values[:place], value, *values[place + 1 :]])
                if value != before and text is not None:
                    yield Neighbour(text, f"{titles[place]}: {_text(before)} to {_text(value)}")

    def choice_values(self) -> dict[str, tuple[ChoiceValue, ...]]:
        """List the choices.

        Returns
        -------
        dict of str to tuple
            By the name of the field, and the position if it is repeated, the values.
        """
        titles = [title for field in self._fields for title in field.titles]
        return dict(zip(titles, self._positions(), strict=True))

    def compose(self, values: Sequence[ChoiceValue]) -> str:
        """Write choices as text.

        Parameters
        ----------
        values : sequence
            One of the values of each choice, in the order of :meth:`choice_values`.

        Returns
        -------
        str
            A specification of this space.

        Raises
        ------
        InvalidArchitectureError
            If the model of the space refuses the choices.
        """
        text = self._join(values)
        if text is None:
            raise InvalidArchitectureError(
                f"got {abbreviate([*values])}; expected choices that {self.name} accepts"
            )
        return text

    def columns(self, canonical: str) -> dict[str, float]:
        """Describe the choices.

        Parameters
        ----------
        canonical : str
            A canonical form.

        Returns
        -------
        dict of str to float
            ``<space>.<field>``, the number, for a choice of numbers or booleans;
            ``<space>.<field>.<value>``, 0 or 1 for each value, for other choices. A repeated field
            has the same of each position, ``<space>.<field>.<position>``, and the sum
            (``<space>.<field>.sum``) or the counts of values (``<space>.<field>.count.<value>``).
        """
        choices = self.read(canonical)
        columns: dict[str, float] = {}
        for field in self._fields:
            prefix = f"{self.name}.{field.name}"
            totals: dict[str, float] = {}
            for place, value in enumerate(field.values(choices)):
                allowed = field.allowed[place]
                name = f"{prefix}.{place}" if field.is_repeated else prefix
                if all(isinstance(option, int | float) for option in allowed):
                    parts = {"": float(value)}  # type: ignore[arg-type]
                else:
                    parts = {f".{_text(option)}": float(option == value) for option in allowed}
                for suffix, number in parts.items():
                    columns[name + suffix] = number
                    total = f"{prefix}.count{suffix}" if suffix else f"{prefix}.sum"
                    totals[total] = totals.get(total, 0.0) + number
            columns |= totals if field.is_repeated else {}
        return columns

    @classmethod
    def _positions(cls) -> list[tuple[ChoiceValue, ...]]:
        return [allowed for field in cls._fields for allowed in field.allowed]

    @classmethod
    def _make(cls, values: Mapping[str, object]) -> Any:  # noqa: ANN401, RUF100
        try:
            return cls.choices(**values)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise InvalidArchitectureError(
                f"got choices that {cls.choices.__name__} refuses: {reason[:300]}"
            ) from None

    @classmethod
    def _first(cls) -> str:
        texts = map(cls._join, islice(product(*cls._positions()), LARGEST))
        first = next(filter(None, texts), None)
        if first is None:
            raise InputError(
                f"got choices of {cls.__name__} of which {cls.choices.__name__} refuses the first "
                f"{LARGEST:,}; expected an example, a class attribute"
            )
        return first

    @classmethod
    def _join(cls, values: Iterable[ChoiceValue]) -> str | None:
        """Write one value for each position as text; None if the model refuses them."""
        left = iter(values)
        by_name: dict[str, Any] = {}
        for field in cls._fields:
            part = tuple(islice(left, len(field.allowed)))
            by_name[field.name] = part if field.is_repeated else part[0]
        try:
            return cls._write(cls._make(by_name))
        except InvalidArchitectureError:
            return None

    @classmethod
    def _write(cls, choices: object) -> str:
        return ",".join(
            f"{field.name}={':'.join(map(_text, field.values(choices)))}" for field in cls._fields
        )

    @classmethod
    def _values(cls, choices: object) -> list[ChoiceValue]:
        return [value for field in cls._fields for value in field.values(choices)]

    def _canonical(self, choices: object) -> str:
        return self._write(self.canonical_choices(choices))

    def _split(self, spec: str) -> object:
        """Split text into texts of fields, or parse JSON."""
        longest = 1_000 + 100 * len(self._positions()) + sum(len(f.name) for f in self._fields)
        text = spec.strip() if len(spec) <= longest else ""
        if text.startswith("{"):
            try:
                return parse_json(text)
            except JSONError as error:
                raise InvalidArchitectureError(
                    f"got choices whose text {error}; expected {self.example}"
                ) from None
        pairs = [part.partition("=") for part in text.split(",")]
        names = [name.strip() for name, _, _ in pairs]
        if not all(equals for _, equals, _ in pairs) or len({*names}) < len(names):
            return None
        return {name: value for name, (_, _, value) in zip(names, pairs, strict=True)}


def _read_fields(model: type[Any]) -> tuple[_Choice, ...]:
    """Read the fields of a dataclass or pydantic model."""
    if is_dataclass(model):
        names = [field.name for field in fields(model) if field.init]
    elif hasattr(model, "model_fields"):
        names = [*model.model_fields]
    else:
        raise InputError(f"got choices {abbreviate(model)}; expected a dataclass or pydantic model")
    hints = get_type_hints(model, include_extras=True)
    choices = tuple(_read_field(name, hints[name]) for name in names)
    if not 1 <= sum(len(choice.allowed) for choice in choices) <= _MOST_POSITIONS:
        raise InputError(
            f"got choices {model.__name__}; expected 1 to {_MOST_POSITIONS} of them in all"
        )
    return choices


def _read_field(name: str, hint: Any) -> _Choice:  # noqa: ANN401, RUF100
    repeats, annotated = None, get_origin(hint) is Annotated
    if annotated:
        hint, *metadata = get_args(hint)
        repeats = next((item for item in metadata if type(item) is int), None)
    if get_origin(hint) is not tuple:
        return _Choice(name, (_read_allowed(name, hint),), is_repeated=False)
    items = get_args(hint)
    if items[-1:] == (Ellipsis,):
        if repeats is None or not 1 <= repeats <= _MOST_POSITIONS:
            raise InputError(
                f"{name}: got a tuple of any length; expected its length from 1 to "
                f"{_MOST_POSITIONS}, as in Annotated[tuple[Literal[3, 5], ...], 4]"
            )
        items = items[:1] * repeats
    return _Choice(name, tuple(_read_allowed(name, item) for item in items), is_repeated=True)


def _read_allowed(name: str, hint: Any) -> tuple[ChoiceValue, ...]:  # noqa: ANN401, RUF100
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    hint = getattr(hint, "__value__", hint)  # of an alias by the statement `type`
    values = (False, True) if hint is bool else get_args(hint)
    if hint is not bool and get_origin(hint) is not Literal:
        raise InputError(
            f"{name}: got the type {abbreviate(hint)}; expected bool, a Literal or a tuple of these"
        )
    texts = {_text(value) for value in values}
    if not all(map(_TEXT.fullmatch, texts)) or not all(map(_is_finite, values)):
        raise InputError(
            f"{name}: got the values {abbreviate(values)}; expected None, booleans, finite numbers "
            "or up to 64 letters, digits and _ . + -"
        )
    if len(texts) < len(values) or len({*map(_key, values)}) < len(values):
        raise InputError(f"{name}: got the values {abbreviate(values)}; expected distinct ones")
    if len(values) > _MOST_VALUES:
        raise InputError(f"{name}: got {len(values)} values; expected at most {_MOST_VALUES}")
    return values


def _read(name: str, got: object, allowed: tuple[ChoiceValue, ...]) -> ChoiceValue:
    """Find the allowed value that is equal to a value; 3 and 3.0 are, 1 and true are not."""
    key = _key(got)
    for value in allowed:
        if _key(value) == key:
            return value
    expected = ", ".join(map(_text, allowed[:20])) + (", …" if len(allowed) > 20 else "")
    raise InvalidArchitectureError(f"{name}: got {abbreviate(got)}; expected one of {expected}")


def _key(value: object) -> tuple[str, object]:
    if value is None or isinstance(value, bool | str):
        return type(value).__name__, value
    if isinstance(value, Real):
        return "number", value
    return "none of these", None


def _is_finite(value: ChoiceValue) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)
