"""``/jobs``: long lists of architectures, predicted or measured in the background, and searches."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from sse_starlette import EventSourceResponse, JSONServerSentEvent

from acorn.schemas.jobs import Job, JobList, PredictionJob, ProxyJob, SearchFront, SearchJob
from service.errors import ConflictError
from service.http.body import read_body
from service.http.middleware.request_logging import CALLER
from service.http.openapi import json_body, problems, typed_value
from service.http.state import service_of
from service.jobs.service import JobService
from service.jobs.submission import JSON, NDJSON, OPTIONS

router = APIRouter(prefix="/jobs", tags=["jobs"])

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
COMPLETE = "X-Job-Complete"
NEXT_INDEX = "X-Job-Next-Index"

_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_EVENT: dict[str, Any] = {  # before OpenAPI 3.2, a stream is declared by the schema of one event
    "schema": {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("event", "data", "id")},
        "required": ["event", "data", "id"],
    }
}
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_SENT: dict[str, Any] = {"model": Job, "headers": {"Location": typed_value("Path of the job.")}}


_SUBMISSION = json_body(PredictionJob, ProxyJob, SearchJob)
_SUBMISSION["requestBody"]["content"][NDJSON] = _TEXT
_SUBMISSION["parameters"] = [
    {
        "name": name,
        "in": "query",
        "required": False,
        **typed_value(f"For NDJSON, as text. {field.description}"),
    }
    for name, field in OPTIONS.items()
]


@router.post(
    "",
    status_code=202,
    response_model=None,
    responses={
        200: {**_SENT, "description": "The job was sent before with the same key"},
        202: {**_SENT, "description": "The job is accepted"},
        **problems(400, 413, 415, 422, 429, 500, 503),
    },
    openapi_extra=_SUBMISSION,
)
async def submit(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=255,
            description="Any text; the same request with the same key returns the same job.",
        ),
    ] = None,
) -> Response:
    """Accept a job: the document of a request, with its kind, or one architecture per line.

    Every architecture is checked first; a list with invalid items is refused as a whole.
    """
    settings, query = service_of(request).settings, request.query_params
    job, is_new = await _jobs(request).submit(
        partial(
            read_body, request, max_bytes=settings.max_job_body_bytes, media_types=(JSON, NDJSON)
        ),
        {name: query[name] for name in OPTIONS if name in query},
        client=_client(request),
        key=idempotency_key,
    )
    headers = {"Location": job.links.job}
    return Response(job.model_dump_json(), 202 if is_new else 200, headers, JSON)


@router.get("", responses=problems(404, 422, 503))
async def list_jobs(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100, description="Jobs a page.")] = 20,
    after: Annotated[str | None, Query(description="The job before the first.")] = None,
) -> JobList:
    """List jobs, the newest first."""
    return await _jobs(request).list(_client(request), limit=limit, after=after)


@router.get("/{id}", responses=problems(404, 503))
async def show(request: Request, id: str) -> Job:  # noqa: A002
    """Show the state and progress of a job."""
    return await _jobs(request).get(id, _client(request))


@router.delete(
    "/{id}",
    response_model=None,
    responses={
        200: {"model": Job, "description": "The job is cancelled; its results so far are kept"},
        204: {"description": "The job had ended; it is deleted with its results"},
        **problems(404, 409, 422, 503),
    },
)
async def cancel(
    request: Request,
    id: str,  # noqa: A002
    keep: Annotated[
        bool, Query(description="Respond with 409 instead of deleting a job that has ended.")
    ] = False,
) -> Response:
    """Cancel a job that waits or runs; delete one that has ended."""
    jobs, client = _jobs(request), _client(request)
    if await jobs.cancel(id, client):
        job = await jobs.get(id, client)
        return Response(job.model_dump_json(), media_type=JSON)
    if keep:
        raise ConflictError("got a job that has ended; expected one that waits or runs")
    await jobs.remove(id, client)
    return Response(status_code=204)


@router.get(
    "/{id}/result",
    response_model=None,
    responses={
        200: {
            "description": "One line per architecture, in their order: index, forest, and "
            "prediction or error (problem details); for proxies settings and result. Or a table.",
            "content": {NDJSON: _TEXT, CSV: _TEXT, PARQUET: _BINARY},
            "headers": {
                COMPLETE: typed_value("Whether all results are available.", "boolean"),
                NEXT_INDEX: typed_value("Index from which to continue.", "integer"),
            },
        },
        **problems(404, 409, 422, 503),
    },
)
async def result(
    request: Request,
    id: str,  # noqa: A002
    start: Annotated[
        int, Query(alias="from", ge=0, le=2**31 - 1, description="Index of the first line.")
    ] = 0,
    form: Annotated[
        Literal["ndjson", "csv", "parquet"] | None,
        Query(alias="format", description="Overrides Accept; tables need a job that has ended."),
    ] = None,
) -> Response:
    """Read the results so far, without a gap, in the order of the request."""
    jobs = _jobs(request)
    job, stop = await jobs.readable(id, _client(request))
    form = form or _accepted(request)
    headers = {COMPLETE: str(not job.active).lower(), NEXT_INDEX: str(max(start, stop))}
    if form == "ndjson":
        return StreamingResponse(_lines(jobs, id, start, stop), headers=headers, media_type=NDJSON)
    content = await jobs.table(job, form)
    return Response(content, 200, headers, CSV if form == "csv" else PARQUET)


@router.get(
    "/{id}/front",
    response_model=None,
    responses={
        200: {
            "model": SearchFront,
            "description": "The front, also while the search runs; or as a table.",
            "content": {CSV: _TEXT, PARQUET: _BINARY},
        },
        **problems(404, 422, 503),
    },
)
async def front(
    request: Request,
    id: str,  # noqa: A002
    form: Annotated[
        Literal["json", "csv", "parquet"] | None,
        Query(alias="format", description="Overrides Accept."),
    ] = None,
) -> Response:
    """Show the architectures of a search so far that no other one dominates."""
    jobs = _jobs(request)
    found = await jobs.front(id, _client(request))
    accepted = _accepted(request) if form is None else form
    if accepted == "csv" or accepted == "parquet":
        content = await jobs.front_table(found, accepted)
        return Response(content, 200, media_type=CSV if accepted == "csv" else PARQUET)
    return Response(found.model_dump_json(exclude_none=False), media_type=JSON)


@router.get(
    "/{id}/events",
    response_model=None,
    responses={
        200: {
            "description": "Server-sent events: `progress`, with the job as data, and `end`",
            "content": {"text/event-stream": _EVENT},
        },
        204: {"description": "The client has seen the last event"},
        **problems(404, 503),
    },
)
async def events(
    request: Request,
    id: str,  # noqa: A002
    last_event_id: Annotated[
        str | None, Header(description="The last event that the client has seen.")
    ] = None,
) -> Response:
    """Send the progress of a job whenever it changes, until its end."""
    job = await _jobs(request).get(id, _client(request))
    if not job.active and last_event_id == _event_id(job):
        return Response(status_code=204)  # which tells browsers not to reconnect
    return EventSourceResponse(_events(_jobs(request), id, _client(request), last_event_id))


async def _events(
    jobs: JobService, id_: str, client: str, seen: str | None
) -> AsyncIterator[JSONServerSentEvent]:
    async with aclosing(jobs.watch(id_, client)) as states:
        async for job in states:
            if _event_id(job) != seen:
                yield JSONServerSentEvent(
                    data=job.model_dump(mode="json"),
                    event="progress" if job.active else "end",
                    id=_event_id(job),
                )


def _event_id(job: Job) -> str:
    return f"{job.state}-{job.done}-{job.failed}"


async def _lines(jobs: JobService, id_: str, start: int, stop: int) -> AsyncIterator[str]:
    async for lines in jobs.lines(id_, start, stop):
        yield "\n".join(lines) + "\n"


def _accepted(request: Request) -> Literal["ndjson", "csv", "parquet"]:
    accepted = request.headers.get("accept", "")
    if PARQUET in accepted:
        return "parquet"
    return "csv" if CSV in accepted else "ndjson"


def _jobs(request: Request) -> JobService:
    return service_of(request).jobs


def _client(request: Request) -> str:
    """Name of the API key of the request; empty if the server needs none."""
    return request.scope.get(CALLER) or ""
