"""What the client sends: each request, and how its answer is read. Nothing here sends."""

import json
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from httpx2 import AsyncByteStream, SyncByteStream

from acorn.errors import InputError, abbreviate
from acorn.schemas.jobs import Job, JobList
from acorn.schemas.options import Options, PredictOptions, write_query
from acorn.schemas.prediction import (
    ArchitectureSpec,
    ForestDetail,
    ForestList,
    Live,
    PredictResponse,
    Ready,
    SpaceList,
)

T = TypeVar("T")

JSON = "application/json"
NDJSON = "application/x-ndjson"
BYTES_AT_ONCE = 2**16
IN_MEMORY_BYTES = 8 * 2**20
"""Size from which on a job waits on disk until it is sent."""

Architecture: TypeAlias = ArchitectureSpec | Mapping[str, Any] | str | int | Sequence[int]
"""``{"space": ..., "arch": ...}``; where a method is given a space, what belongs under ``arch``."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """A request, and how its answer is read.

    Attributes
    ----------
    read
        Makes the result of the answer's body.
    is_safe
        Whether it may be sent again where nobody knows if it arrived.
    is_patient
        Whether it is sent again at all.
    is_stream
        Whether the answer is left to be read as it comes.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: "bytes | Spool | None" = None
    is_safe: bool = True
    is_patient: bool = True
    is_stream: bool = False


class Spool(SyncByteStream, AsyncByteStream):
    """A body that is too long to hold, and can be sent several times.

    Parameters
    ----------
    lines
        What it consists of; each is written with a line feed behind.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 (discard does it)
        try:
            for line in lines:
                self._file.write(line + b"\n")
        except BaseException:
            self._file.close()
            raise
        self.size = self._file.tell()

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while chunk := self._file.read(BYTES_AT_ONCE):
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def discard(self) -> None:
        """Free it; unlike ``close``, which every attempt to send it calls."""
        self._file.close()


def encode_all(
    architectures: Architecture | Iterable[Architecture], space: str | None
) -> Iterator[bytes]:
    """Write one architecture or many as JSON.

    Raises :class:`~acorn.errors.InputError` for what is none, and for a list of integers: it may
    be one list of widths or several indices.
    """
    if isinstance(architectures, ArchitectureSpec | Mapping | str) or not isinstance(
        architectures, Iterable
    ):
        yield _encode(architectures, space)
    elif isinstance(architectures, list | tuple) and _are_integers(architectures):
        raise InputError(
            f"got the integers {abbreviate(architectures)}, one architecture or several; "
            "expected a list of lists, or indices as text"
        )
    else:
        for architecture in architectures:
            yield _encode(architecture, space)


def predict(items: Sequence[bytes], options: Options) -> Request[PredictResponse]:
    """``POST /predict`` of architectures that are JSON already."""
    tail = "".join(f",{json.dumps(name)}:{_json(value)}" for name, value in given(options).items())
    body = b'{"architectures":[' + b",".join(items) + b"]" + tail.encode() + b"}"
    return _post("/predict", body, PredictResponse.model_validate_json)


def live() -> Request[Live]:
    """``GET /health/live``."""
    return Request("GET", "/health/live", Live.model_validate_json, is_patient=False)


def ready() -> Request[Ready]:
    """``GET /health/ready``."""
    return Request("GET", "/health/ready", Ready.model_validate_json, is_patient=False)


def spaces() -> Request[SpaceList]:
    """``GET /spaces``."""
    return Request("GET", "/spaces", SpaceList.model_validate_json)


def forests() -> Request[ForestList]:
    """``GET /forests``."""
    return Request("GET", "/forests", ForestList.model_validate_json)


def forest(name: str) -> Request[ForestDetail]:
    """``GET /forests/{name}``."""
    return Request("GET", f"/forests/{quote(name, safe='@')}", ForestDetail.model_validate_json)


def submit(body: Spool, options: Options, key: str | None) -> Request[Job]:
    """``POST /jobs``; it always has an idempotency key, so that it may be sent again."""
    query = write_query(given(options))
    headers = {
        "Content-Type": NDJSON,
        "Content-Length": str(body.size),
        "Idempotency-Key": uuid.uuid4().hex if key is None else key,
    }
    return Request("POST", "/jobs", Job.model_validate_json, query, headers, body)


def show(job: Job | str) -> Request[Job]:
    """``GET /jobs/{id}``."""
    return Request("GET", _path(job), Job.model_validate_json)


def list_jobs(limit: int, after: Job | str | None) -> Request[JobList]:
    """``GET /jobs``."""
    query = {"limit": str(limit)} | ({} if after is None else {"after": _id(after)})
    return Request("GET", "/jobs", JobList.model_validate_json, query)


def cancel(job: Job | str) -> Request[Job]:
    """``DELETE /jobs/{id}?keep=true``: cancels, and never forgets."""
    return Request("DELETE", _path(job), Job.model_validate_json, {"keep": "true"})


def forget(job: Job | str) -> Request[None]:
    """``DELETE /jobs/{id}``: of a job that runs, it only cancels it."""
    return Request("DELETE", _path(job), lambda _body: None, is_safe=False)


def results(job: Job | str, start: int) -> Request[None]:
    """``GET /jobs/{id}/result``, line by line."""
    query = {"from": str(start), "format": "ndjson"}
    return Request("GET", f"{_path(job)}/result", lambda _body: None, query, is_stream=True)


def table(job: Job | str) -> Request[bytes]:
    """``GET /jobs/{id}/result`` as Parquet."""
    return Request("GET", f"{_path(job)}/result", bytes, {"format": "parquet"})


def events(job: Job | str, last: str) -> Request[None]:
    """``GET /jobs/{id}/events`` from the one after ``last`` on."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    return Request(
        "GET", f"{_path(job)}/events", lambda _body: None, headers=headers, is_stream=True
    )


def given(options: Options) -> dict[str, Any]:
    """List the options that are set, as a request has them.

    Raises
    ------
    TypeError
        If there is no such option.
    """
    if unknown := options.keys() - PredictOptions.model_fields.keys():
        names = ", ".join(PredictOptions.model_fields)
        raise TypeError(f"got the option {min(unknown)}; expected some of {names}")
    values: dict[str, Any] = {name: each for name, each in options.items() if each is not None}
    if (targets := values.get("targets")) is not None:
        values["targets"] = targets.split(",") if isinstance(targets, str) else [*targets]
    return values


def _post(path: str, body: bytes, read: Callable[[bytes], T]) -> Request[T]:
    return Request("POST", path, read, headers={"Content-Type": JSON}, body=body)


def _are_integers(values: Sequence[object]) -> bool:
    return bool(values) and all(
        isinstance(value, int) and not isinstance(value, bool) for value in values
    )


def _encode(architecture: object, space: str | None) -> bytes:
    spec: object
    match architecture:
        case ArchitectureSpec():
            spec = architecture.model_dump()
        case str() | int() | list() | tuple() | Mapping() if not (
            space is None or isinstance(architecture, bool)
        ):
            spec = {"space": space, "arch": architecture}
        case {"space": _, "arch": _}:
            spec = architecture
        case _:
            raise InputError(
                f"got {abbreviate(architecture)} as an architecture; "
                "expected space and arch, or the argument space"
            )
    return _json(spec).encode()


def _json(value: object) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"got {abbreviate(value)}, which is not JSON: {error}") from None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"it has a {type(value).__name__}")


def _id(job: Job | str) -> str:
    return job.id if isinstance(job, Job) else job


def _path(job: Job | str) -> str:
    return f"/jobs/{quote(_id(job), safe='')}"
