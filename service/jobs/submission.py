"""Reading a job from a request: JSON as for its kind of request, or one architecture per line."""

import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from acorn.errors import abbreviate
from acorn.schemas.jobs import PredictionJob, ProxyJob, SearchJob
from acorn.schemas.predict_options import read_query
from service.errors import InvalidRequestError, MalformedBodyError
from service.jobs.checking import Errors, check_all
from service.jobs.search import read_search
from service.jobs.store import NewJob
from service.prediction.plan import check_length, parse_json
from service.prediction.predictor import Predictor

JSON = "application/json"
NDJSON = "application/x-ndjson"

KINDS: Mapping[str, type[BaseModel]] = {
    "predictions": PredictionJob,
    "proxies": ProxyJob,
    "search": SearchJob,
}
"""Schema of a job, by kind."""

OPTIONS = {
    name: field
    for schema in (ProxyJob, PredictionJob)
    for name, field in schema.model_fields.items()
    if name != "architectures"
}
"""Fields of a request that the query gives if the body holds only architectures."""

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
    errors = Errors()
    if media_type == NDJSON:
        options, items = _read_lines(body, query, most, errors)
    else:
        document = _read_object(body, query, errors)
        if document.get("kind") == "search" and not errors.count:
            search = read_search(document, predictor, most=most)
            parts = {0: search.candidates} if search.evolves else _cut(search.candidates)
            return NewJob(
                client=client,
                idempotency=idempotency,
                digest=digest(body, media_type, query),
                options=search.options,
                total=search.total,
                parts={first: _compact(part) for first, part in parts.items()},
            )
        options, items = _read_list(document, most, errors)
    kind = options.pop("kind", "predictions")
    if not isinstance(kind, str) or kind not in KINDS:
        errors.add("/kind", f"got {abbreviate(kind)}; expected one of {', '.join(KINDS)}")
        raise InvalidRequestError(errors.listed, count=errors.count)
    choice = check_all(kind, options, items, predictor, errors)
    if errors.count or choice is None:
        raise InvalidRequestError(errors.listed, count=errors.count)
    return NewJob(
        client=client,
        idempotency=idempotency,
        digest=digest(body, media_type, query),
        # All parts must use the same forest.
        options=options | choice | {"kind": kind},
        total=len(items),
        parts={first: _compact(part) for first, part in _cut([*items.values()]).items()},
    )


def _cut(architectures: Sequence[object]) -> dict[int, Sequence[object]]:
    """Divide a list into parts, by the index of the first architecture."""
    size = min(max(math.ceil(len(architectures) / PARTS), MIN_PART), MAX_PART)
    return {
        first: architectures[first : first + size] for first in range(0, len(architectures), size)
    }


def _compact(architectures: Sequence[object]) -> str:
    return json.dumps(architectures, separators=(",", ":"))


def _read_object(body: bytes, query: Mapping[str, str], errors: Errors) -> dict[str, Any]:
    document = parse_json(body)
    for name in OPTIONS:
        if name in query:
            detail = f"got {name} in the query; expected it in the document"
            errors.add(f"/query/{name}", detail)
    if not isinstance(document, dict):
        errors.add("", "got a document that is no object; expected one with architectures")
        return {}
    return document


def _read_list(
    document: dict[str, Any], most: int, errors: Errors
) -> tuple[dict[str, Any], dict[int, object]]:
    if errors.count and not document:
        return {}, {}
    items = document.pop("architectures", None)
    if not isinstance(items, list):
        errors.add(_LIST, "this field is required, and has to be a list")
        return document, {}
    check_length(len(items), most)
    return document, dict(enumerate(items))


def _read_lines(
    body: bytes, query: Mapping[str, str], most: int, errors: Errors
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
    kind = query.get("kind", "predictions")
    if kind == "search":
        errors.add("/query/kind", "got search for a list of lines; expected a JSON document")
    schema = KINDS.get(kind, PredictionJob)
    return {**query, **read_query(query, schema)}, items
