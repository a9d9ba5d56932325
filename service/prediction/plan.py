"""From a JSON document to a plan: the request, its architectures, and the bundle."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json

from acorn import strict_json
from acorn.errors import InputError, UnknownSpaceError, abbreviate
from acorn.features.recipe import FeatureRecipe
from acorn.schemas.prediction import MOST_RELATED, PlainSpec, PredictRequest
from acorn.schemas.problems import ProblemItem
from acorn.schemas.proxies import ProxyRequest
from acorn.spaces import Architecture
from service.errors import InvalidRequestError, MalformedBodyError
from service.prediction.cases import Case
from service.prediction.isolated_process import is_isolated, parse
from service.repository.served_bundle import ServedBundle

RequestT = TypeVar("RequestT", PredictRequest, ProxyRequest)

RESOLVED = frozenset({"architectures", "dataset", "forest", "targets"})
"""Fields of a request that a cache key holds as an id, a bundle and its targets."""

FEW = 16
"""Most architectures that are processed without a thread."""

_MAX_FIELDS = 1_000
"""Most fields of a document whose unknown fields are listed; more would take too long."""


@dataclass(frozen=True)
class Plan:
    """A valid request, and what answers it.

    Attributes
    ----------
    request : PredictRequest
        The request as it was sent.
    architectures : list of Case
        In the order of the request; several may be equivalent.
    distinct : dict of str to Case
        The first architecture of each equivalence class under the same conditions, by key.
    forest : ServedBundle
        The bundle that answers.
    targets : tuple of str
        The targets to predict.
    proxies : FeatureRecipe or None, default=None
        The proxies that the request asks for, and their settings.
    """

    request: PredictRequest
    architectures: list[Case]
    distinct: dict[str, Case]
    forest: ServedBundle
    targets: tuple[str, ...]
    proxies: FeatureRecipe | None = None

    def key(self, case: str) -> Hashable:
        """Make a cache key from everything that the answer for an architecture depends on.

        Parameters
        ----------
        case : str
            Key of the architecture and its conditions.

        Returns
        -------
        hashable
        """
        return self.forest.digest, case, self.targets, self._options, self.is_related

    @property
    def is_related(self) -> bool:
        """Whether its explanations have what other architectures say."""
        return self.request.explain != "none" and len(self.distinct) <= MOST_RELATED

    @cached_property
    def _options(self) -> bytes:
        # All other fields, so that the key has a new field at once: an unnecessary field costs a
        # cache hit; a missing field would give a wrong answer.
        names = [name for name in type(self.request).model_fields if name not in RESOLVED]
        return to_json({name: getattr(self.request, name) for name in names})


@dataclass(frozen=True, slots=True)
class ParsedRequest(Generic[RequestT]):
    """A request that follows the schema.

    Attributes
    ----------
    request : PredictRequest or ProxyRequest
        The request as it was sent.
    architectures : dict of int to Architecture
        The architectures that their space can parse, by position in the request.
    errors : list of ProblemItem
        One for each of the other architectures.
    """

    request: RequestT
    architectures: dict[int, Architecture]
    errors: list[ProblemItem]


def parse_json(body: bytes) -> object:
    """Parse the body of a request as strict JSON.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    object

    Raises
    ------
    MalformedBodyError
        If the syntax is invalid.
    InvalidRequestError
        If values are invalid; lists every one.
    """
    try:
        return strict_json.parse_json(body)
    except strict_json.JSONError as error:
        if error.items:
            items = [ProblemItem(pointer=pointer, detail=detail) for pointer, detail in error.items]
            raise InvalidRequestError(items) from None
        raise MalformedBodyError(f"the body {error}") from None


def is_quick(document: object) -> bool:
    """Check whether a document can be parsed without a thread."""
    items = document.get("architectures") if isinstance(document, dict) else None
    if not isinstance(items, list):
        return True
    return len(items) <= FEW and not any(
        isinstance(item, dict) and is_isolated(item.get("space"), item.get("arch"))
        for item in items
    )


def parse_request(
    document: object, schema: type[RequestT], *, max_architectures: int
) -> ParsedRequest[RequestT]:
    """Validate a document against the schema, and parse its architectures.

    Parameters
    ----------
    document : object
        A JSON document.
    schema : type
        :class:`~acorn.schemas.prediction.PredictRequest` or
        :class:`~acorn.schemas.proxies.ProxyRequest`.
    max_architectures : int
        Most architectures that it may have.

    Returns
    -------
    ParsedRequest

    Raises
    ------
    InvalidRequestError
        If the document violates the schema; lists every violation, and every architecture that its
        space cannot parse.
    """
    _check_size(document, schema, max_architectures)
    (spec,) = get_args(schema.model_fields["architectures"].annotation)
    try:
        request = schema.model_validate(document)
    except ValidationError as error:
        violations = error.error_count()
        if violations > len(spec.model_fields) * max_architectures:
            detail = f"got {violations} faults; expected a document of the schema"
            raise InvalidRequestError([ProblemItem(pointer="", detail=detail)]) from None
        items = [problem_item(details) for details in error.errors(include_url=False)]
        _, unparsed = _parse_all(_valid_specs(document, spec))
        raise InvalidRequestError(items + unparsed) from None
    return ParsedRequest(request, *_parse_all(enumerate(request.architectures)))


def _parse_all(
    specs: Iterable[tuple[int, PlainSpec]],
) -> tuple[dict[int, Architecture], list[ProblemItem]]:
    architectures: dict[int, Architecture] = {}
    errors: list[ProblemItem] = []
    for index, spec in specs:
        try:
            architectures[index] = parse(spec.space, spec.arch)
        except InputError as error:
            field = "space" if isinstance(error, UnknownSpaceError) else "arch"
            pointer = f"/architectures/{index}/{field}"
            errors.append(ProblemItem(pointer=pointer, detail=str(error)))
    return architectures, errors


def _check_size(document: object, schema: type[BaseModel], max_architectures: int) -> None:
    """Reject a document that is too long, before its items are processed."""
    if isinstance(document, dict) and len(document) > _MAX_FIELDS:
        known = ", ".join(schema.model_fields)
        detail = f"got {len(document)} fields; expected none but {known}"
        raise InvalidRequestError([ProblemItem(pointer="", detail=detail)])
    items = document.get("architectures") if isinstance(document, dict) else None
    if isinstance(items, list):
        check_length(len(items), max_architectures)


def check_length(n: int, most: int, pointer: str = "/architectures") -> None:
    """Raise InvalidRequestError if a list of ``n`` architectures is too long."""
    if n > most:
        detail = f"got {n} architectures; expected at most {most}"
        raise InvalidRequestError([ProblemItem(pointer=pointer, detail=detail)])


def _valid_specs(document: object, spec: type[PlainSpec]) -> Iterable[tuple[int, PlainSpec]]:
    items = document.get("architectures") if isinstance(document, dict) else None
    for index, item in enumerate(items if isinstance(items, list) else []):
        try:
            yield index, spec.model_validate(item)
        except ValidationError:
            continue  # listed among the violations of the schema


def problem_item(details: ErrorDetails) -> ProblemItem:
    """Convert a validation error of pydantic.

    Parameters
    ----------
    details : ErrorDetails
        An item of :meth:`pydantic.ValidationError.errors`.

    Returns
    -------
    ProblemItem
    """
    pointer = "".join(f"/{strict_json.escape(str(part))}" for part in details["loc"])
    match details["type"]:
        case "missing":
            detail = "this field is required"
        case "extra_forbidden":
            detail = "got a field that is not known"
        case _:
            detail = f"got {abbreviate(details['input'])}; {details['msg']}"
    return ProblemItem(pointer=pointer, detail=detail)
