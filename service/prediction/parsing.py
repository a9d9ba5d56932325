"""From a JSON document to a request whose architectures are understood, or every bad item of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from acorn.errors import InputError, UnknownSpaceError, abbreviate
from acorn.schemas.prediction import ArchitectureSpec, PredictRequest
from acorn.schemas.problems import ProblemItem
from acorn.spaces import Architecture
from service.errors import InvalidRequestError
from service.prediction.isolated_process import parse
from service.strict_json import escape

_MOST_FIELDS = 1_000
"""Of which the unknown ones are listed; listing more would take longer than anyone reads."""


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request that follows the schema.

    Attributes
    ----------
    request
        As it was sent.
    architectures
        Those that their space could read, by position in the request.
    errors
        The others.
    """

    request: PredictRequest
    architectures: dict[int, Architecture]
    errors: list[ProblemItem]


def parse_request(document: object, *, max_architectures: int) -> ParsedRequest:
    """Validate a document against the schema, and read its architectures.

    Raises
    ------
    InvalidRequestError
        If the document breaks the schema; lists every place where it does, and every architecture
        that its space cannot read.
    """
    _check_length(document, max_architectures)
    try:
        request = PredictRequest.model_validate(document)
    except ValidationError as error:
        _check_count(error.error_count(), len(ArchitectureSpec.model_fields) * max_architectures)
        broken = [problem_item(details) for details in error.errors(include_url=False)]
        _, unread = _read_all(_sound_specs(document))
        raise InvalidRequestError(broken + unread) from None
    return ParsedRequest(request, *_read_all(enumerate(request.architectures)))


def _read_all(
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


def _check_length(document: object, most: int) -> None:
    """Refuse what is too long before anything is done with its items."""
    if isinstance(document, dict) and len(document) > _MOST_FIELDS:
        known = ", ".join(PredictRequest.model_fields)
        detail = f"got {len(document)} fields; expected none but {known}"
        raise InvalidRequestError([ProblemItem(pointer="", detail=detail)])
    items = document.get("architectures") if isinstance(document, dict) else None
    if isinstance(items, list) and len(items) > most:
        detail = f"got {len(items)} architectures; expected at most {most}"
        raise InvalidRequestError([ProblemItem(pointer="/architectures", detail=detail)])


def _check_count(faults: int, most: int) -> None:
    """Refuse to list more faults than a request has room for; it would take seconds."""
    if faults > most:
        detail = f"got {faults} faults; expected a document of the schema"
        raise InvalidRequestError([ProblemItem(pointer="", detail=detail)])


def _sound_specs(document: object) -> Iterable[tuple[int, ArchitectureSpec]]:
    items = document.get("architectures") if isinstance(document, dict) else None
    for index, item in enumerate(items if isinstance(items, list) else []):
        try:
            yield index, ArchitectureSpec.model_validate(item)
        except ValidationError:
            continue  # reported with the rest of the schema's errors


def problem_item(details: ErrorDetails) -> ProblemItem:
    """Turn an error of validation into an item of a problem."""
    pointer = "".join(f"/{escape(str(part))}" for part in details["loc"])
    message = details["msg"]
    if details["type"] == "missing":
        return ProblemItem(pointer=pointer, detail="this field is required")
    if details["type"] == "extra_forbidden":
        return ProblemItem(pointer=pointer, detail="got a field that is not known")
    return ProblemItem(pointer=pointer, detail=f"got {abbreviate(details['input'])}; {message}")
