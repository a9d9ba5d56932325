"""From a JSON document to a plan: the request, its architectures, and the bundle."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property

from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from acorn import strict_json
from acorn.errors import InputError, UnknownSpaceError, abbreviate
from acorn.schemas.prediction import ArchitectureSpec, PredictRequest
from acorn.schemas.problems import ProblemItem
from acorn.spaces import Architecture
from service.errors import InvalidRequestError, MalformedBodyError
from service.prediction.isolated_process import parse
from service.repository.served_bundle import ServedBundle

RESOLVED = frozenset({"architectures", "dataset", "forest", "targets"})
"""Fields of a request that a cache key holds as an id, a bundle and its targets."""

_MAX_FIELDS = 1_000
"""Most fields of a document whose unknown fields are listed; more would take too long."""


@dataclass(frozen=True)
class Plan:
    """A valid request, and what answers it.

    Attributes
    ----------
    request : PredictRequest
        The request as it was sent.
    architectures : list of Architecture
        In the order of the request; several may be equivalent.
    distinct : dict of str to Architecture
        The first architecture of each equivalence class, by id.
    forest : ServedBundle
        The bundle that answers.
    targets : tuple of str
        The targets to predict.
    """

    request: PredictRequest
    architectures: list[Architecture]
    distinct: dict[str, Architecture]
    forest: ServedBundle
    targets: tuple[str, ...]

    def key(self, id_: str) -> Hashable:
        """Make a cache key from everything that the answer for an architecture depends on.

        Parameters
        ----------
        id_ : str
            Canonical id of the architecture.

        Returns
        -------
        hashable
        """
        return self.forest.digest, id_, self.targets, self._options

    @cached_property
    def _options(self) -> bytes:
        # All other fields, so that a new one is in the key from the start: a field too many costs a
        # cache hit, a field too few serves a wrong answer.
        names = [name for name in type(self.request).model_fields if name not in RESOLVED]
        return to_json({name: getattr(self.request, name) for name in names})


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request that follows the schema.

    Attributes
    ----------
    request : PredictRequest
        The request as it was sent.
    architectures : dict of int to Architecture
        The architectures that their space can parse, by position in the request.
    errors : list of ProblemItem
        One for each of the other architectures.
    """

    request: PredictRequest
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


def parse_request(document: object, *, max_architectures: int) -> ParsedRequest:
    """Validate a document against the schema, and parse its architectures.

    Parameters
    ----------
    document : object
        A JSON document.
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
    _check_length(document, max_architectures)
    try:
        request = PredictRequest.model_validate(document)
    except ValidationError as error:
        violations = error.error_count()
        if violations > len(ArchitectureSpec.model_fields) * max_architectures:
            detail = f"got {violations} faults; expected a document of the schema"
            raise InvalidRequestError([ProblemItem(pointer="", detail=detail)]) from None
        items = [problem_item(details) for details in error.errors(include_url=False)]
        _, unparsed = _parse_all(_valid_specs(document))
        raise InvalidRequestError(items + unparsed) from None
    return ParsedRequest(request, *_parse_all(enumerate(request.architectures)))


def _parse_all(
    specs: Iterable[tuple[int, ArchitectureSpec]],
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


def _check_length(document: object, max_architectures: int) -> None:
    """Reject a document that is too long, before its items are processed."""
    if isinstance(document, dict) and len(document) > _MAX_FIELDS:
        known = ", ".join(PredictRequest.model_fields)
        detail = f"got {len(document)} fields; expected none but {known}"
        raise InvalidRequestError([ProblemItem(pointer="", detail=detail)])
    items = document.get("architectures") if isinstance(document, dict) else None
    if isinstance(items, list) and len(items) > max_architectures:
        detail = f"got {len(items)} architectures; expected at most {max_architectures}"
        raise InvalidRequestError([ProblemItem(pointer="/architectures", detail=detail)])


def _valid_specs(document: object) -> Iterable[tuple[int, ArchitectureSpec]]:
    items = document.get("architectures") if isinstance(document, dict) else None
    for index, item in enumerate(items if isinstance(items, list) else []):
        try:
            yield index, ArchitectureSpec.model_validate(item)
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
    message = details["msg"]
    if details["type"] == "missing":
        return ProblemItem(pointer=pointer, detail="this field is required")
    if details["type"] == "extra_forbidden":
        return ProblemItem(pointer=pointer, detail="got a field that is not known")
    return ProblemItem(pointer=pointer, detail=f"got {abbreviate(details['input'])}; {message}")
