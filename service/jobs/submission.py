"""Reading a job from a request: JSON as for its kind of request, or one architecture per line."""

import hashlib
import io
import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from acorn.errors import abbreviate
from acorn.schemas.jobs import PredictionJob, ProxyJob
from acorn.schemas.predict_options import read_query
from acorn.schemas.problems import ProblemItem
from service.errors import InvalidRequestError, MalformedBodyError
from service.jobs.store import NewJob
from service.prediction.plan import check_length, parse_json
from service.prediction.predictor import Predictor
from service.repository.served_bundle import ServedBundle

JSON = "application/json"
NDJSON = "application/x-ndjson"

KINDS: Mapping[str, type[BaseModel]] = {"predictions": PredictionJob, "proxies": ProxyJob}
"""Schema of a job, by kind."""

OPTIONS = {
    name: field
    for schema in (ProxyJob, PredictionJob)
    for name, field in schema.model_fields.items()
    if name != "architectures"
}
"""Fields of a request that the query gives if the body holds only architectures."""

MOST_LISTED = 100
"""Invalid items that an error lists."""

SLICE = 1_000
"""Architectures that are checked at a time, which bounds the memory."""

MIN_PART, MAX_PART, PARTS = 8, 250, 50
"""A job has about 50 parts within these sizes, for its progress and for sharing it."""

_LIST = "/architectures"


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
    predictor: Predictor,
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
    predictor : Predictor
        Checks the architectures.
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
    kind = options.pop("kind", "predictions")
    if not isinstance(kind, str) or kind not in KINDS:
        errors.add("/kind", f"got {abbreviate(kind)}; expected one of {', '.join(KINDS)}")
        raise InvalidRequestError(errors.listed, count=errors.count)
    choice = _check_all(kind, options, items, predictor, errors)
    if errors.count or choice is None:
        raise InvalidRequestError(errors.listed, count=errors.count)
    size = min(max(math.ceil(len(items) / PARTS), MIN_PART), MAX_PART)
    architectures = [*items.values()]
    return NewJob(
        client=client,
        idempotency=idempotency,
        digest=digest(body, media_type, query),
        # All parts must use the same forest.
        options=options | choice | {"kind": kind},
        total=len(items),
        parts={
            first: json.dumps(architectures[first : first + size], separators=(",", ":"))
            for first in range(0, len(items), size)
        },
    )


class _Errors:
    """Invalid items: the first are listed, all are counted."""

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
    check_length(len(items), most)
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
    check_length(index, most)
    schema = KINDS.get(query.get("kind", "predictions"), PredictionJob)
    return {**query, **read_query(query, schema)}, items


def _check_all(
    kind: str,
    options: Mapping[str, Any],
    items: Mapping[int, object],
    predictor: Predictor,
    errors: _Errors,
) -> dict[str, str] | None:
    """Check slice by slice, at least once; returns the options that all parts must have."""
    choice: dict[str, str] | None = None
    indices = [*items]
    for start in range(0, max(1, len(indices)), SLICE):
        chosen = indices[start : start + SLICE]
        document = {
            **options,
            "architectures": [items[index] for index in chosen],
            **(choice or {}),
        }
        if not chosen and errors.count:
            break
        try:
            if kind == "proxies":
                choice = {"dataset": predictor.proxies.check(document)}
            else:
                choice = _choice(options, predictor.check(document, total=len(items)))
        except InvalidRequestError as error:
            for item in error.errors:
                moved = item.moved(chosen.__getitem__)
                errors.add(moved.pointer, moved.detail)
    return choice


def _choice(options: Mapping[str, Any], forest: ServedBundle) -> dict[str, str]:
    """Options that choose the same forest again, or a newer version of it."""
    return {"forest": options.get("forest") or forest.name, "dataset": forest.bundle.dataset}
