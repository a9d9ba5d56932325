"""Reading a job from a request: JSON as for a prediction, or one architecture per line."""

import hashlib
import io
import json
import math
from collections.abc import Mapping
from typing import Any, Protocol

from acorn.schemas.predict_options import PredictOptions, read_query
from acorn.schemas.problems import ProblemItem
from service.errors import InvalidRequestError, MalformedBodyError
from service.jobs.store import NewJob
from service.prediction.plan import parse_json
from service.repository.served_bundle import ServedBundle

JSON = "application/json"
NDJSON = "application/x-ndjson"

OPTIONS = tuple(PredictOptions.model_fields)
"""Fields of a request that the query gives if the body holds only architectures."""

MOST_LISTED = 100
"""Invalid items that an error lists."""

SLICE = 1_000
"""Architectures that are checked at a time, which bounds the memory."""

MIN_PART, MAX_PART, PARTS = 8, 250, 50
"""A job has about 50 parts within these sizes, for its progress and for sharing it."""

_LIST = "/architectures"


class Check(Protocol):
    """Checks a slice of a list, as :meth:`service.prediction.predictor.Predictor.check`."""

    def __call__(self, document: object, *, total: int) -> ServedBundle: ...  # noqa: D102


def digest(body: bytes, media_type: str, query: Mapping[str, str]) -> str:
    """Hash a request with SHA-256; equal requests have equal hashes."""
    options = json.dumps([media_type, {name: query.get(name) for name in OPTIONS}])
    return hashlib.sha256(options.encode() + b"\n" + body).hexdigest()


def read_job(
    body: bytes,
    media_type: str,
    query: Mapping[str, str],
    *,
    client: str,
    idempotency: str | None,
    check: Check,
    most: int,
) -> NewJob:
    """Read a job and check every architecture.

    Parameters
    ----------
    body : bytes
    media_type : str
        :data:`JSON` or :data:`NDJSON`.
    query : mapping of str to str
        Options for NDJSON.
    client : str
        Name of the client.
    idempotency : str or None
        SHA-256 of the client's idempotency key.
    check : Check
        Checks a slice of the architectures.
    most : int
        Largest number of architectures.

    Returns
    -------
    NewJob

    Raises
    ------
    MalformedBodyError
        If the body is not JSON.
    InvalidRequestError
        Lists the first invalid items, and counts all.
    """
    errors = _Errors()
    read = _read_lines if media_type == NDJSON else _read_document
    options, items = read(body, query, most, errors)
    forest = _check_all(options, items, check, errors)
    if errors.count or forest is None:
        raise InvalidRequestError(errors.listed, count=errors.count)
    size = min(max(math.ceil(len(items) / PARTS), MIN_PART), MAX_PART)
    architectures = [*items.values()]
    return NewJob(
        client=client,
        idempotency=idempotency,
        digest=digest(body, media_type, query),
        # All parts must use the same forest.
        options=options | _choice(options, forest),
        total=len(items),
        parts={
            first: json.dumps(architectures[first : first + size], separators=(",", ":"))
            for first in range(0, len(items), size)
        },
    )


class _Errors:
    """Invalid items, each once: the first are listed, all are counted."""

    def __init__(self) -> None:
        self.listed: list[ProblemItem] = []
        self.count = 0
        self._general: set[tuple[str, str]] = set()

    def add(self, pointer: str, detail: str) -> None:
        if not pointer.startswith(f"{_LIST}/"):  # every slice reports it
            if (pointer, detail) in self._general:
                return
            self._general.add((pointer, detail))
        self.count += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(ProblemItem(pointer=pointer, detail=detail))


def _read_document(
    body: bytes, query: Mapping[str, str], most: int, errors: _Errors
) -> tuple[dict[str, Any], dict[int, object]]:
    document = parse_json(body)
    for name in OPTIONS:
        if name in query:
            detail = f"got {name} in the query; expected it in the document"
            errors.add(f"/query/{name}", detail)
    if not isinstance(document, dict):
        errors.add("", "got a document that is no object; expected one with architectures")
        return {}, {}
    items = document.pop("architectures", None)
    if not isinstance(items, list):
        errors.add(_LIST, "this field is required, and has to be a list")
        return document, {}
    _check_length(len(items), most)
    return document, dict(enumerate(items))


def _read_lines(
    body: bytes, query: Mapping[str, str], most: int, errors: _Errors
) -> tuple[dict[str, Any], dict[int, object]]:
    items: dict[int, object] = {}
    index = 0
    for line in io.BytesIO(body):
        if not line.strip():
            continue
        pointer = f"{_LIST}/{index}"
        try:
            items[index] = parse_json(line)
        except MalformedBodyError as error:
            errors.add(pointer, str(error).replace("the body", "the line"))
        except InvalidRequestError as error:
            for item in error.errors:
                errors.add(pointer + item.pointer, item.detail)
        index += 1
    _check_length(index, most)
    return read_query(query), items


def _check_length(n: int, most: int) -> None:
    if n > most:
        detail = f"got {n} architectures; expected at most {most}"
        raise InvalidRequestError([ProblemItem(pointer=_LIST, detail=detail)])


def _check_all(
    options: Mapping[str, Any], items: Mapping[int, object], check: Check, errors: _Errors
) -> ServedBundle | None:
    """Check slice by slice, at least once; returns the forest for all."""
    forest: ServedBundle | None = None
    indices = [*items]
    for start in range(0, max(1, len(indices)), SLICE):
        chosen = indices[start : start + SLICE]
        document = {**options, "architectures": [items[index] for index in chosen]}
        if forest is not None:
            document |= _choice(options, forest)
        if not chosen and errors.count:
            break
        try:
            forest = check(document, total=len(items))
        except InvalidRequestError as error:
            for item in error.errors:
                errors.add(_moved(item.pointer, chosen), item.detail)
    return forest


def _choice(options: Mapping[str, Any], forest: ServedBundle) -> dict[str, str]:
    """Options that choose the same forest again, or a newer version of it."""
    return {"forest": options.get("forest") or forest.name, "dataset": forest.bundle.dataset}


def _moved(pointer: str, indices: list[int]) -> str:
    """Translate a pointer into a slice into one into the whole list."""
    head, _, rest = pointer.removeprefix(f"{_LIST}/").partition("/")
    if not pointer.startswith(f"{_LIST}/") or not head.isdecimal():
        return pointer
    return f"{_LIST}/{indices[int(head)]}{'/' if rest else ''}{rest}"
