"""The calls of both clients, as exchanges.

:class:`~acorn.client.Client` runs them with blocking input and output, and
:class:`~acorn.client.AsyncClient` with asyncio.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Unpack
from urllib.parse import quote

from acorn.client import frames
from acorn.client.errors import Conflict, JobFailed, JobTimeout
from acorn.client.exchanges import Exchange, RequestPolicy, Wait
from acorn.client.requests import Architecture, Request, Spool, encode_all, given_options, to_json
from acorn.schemas.jobs import (
    Job,
    JobList,
    JobOptions,
    PredictionJob,
    ProxyJob,
    SearchFront,
    SearchOptions,
    SearchOptionValues,
)
from acorn.schemas.predict_options import Options, write_query
from acorn.schemas.prediction import (
    ForestDetail,
    ForestList,
    Live,
    PredictResponse,
    Ready,
    SpaceList,
)
from acorn.schemas.proxies import ProxyOptions, ProxyOptionValues, ProxyResponse

if TYPE_CHECKING:
    import polars as pl

_JSON = {"Content-Type": "application/json"}
_JOB_OPTIONS = {*PredictionJob.model_fields, *ProxyJob.model_fields} - {"architectures"}

FIRST_POLL_SECONDS = 0.2
LAST_POLL_SECONDS = 5.0
POLL_GROWTH = 1.5


def predict(
    policy: RequestPolicy,
    architectures: Architecture | Iterable[Architecture],
    *,
    space: str | None = None,
    **options: Unpack[Options],
) -> Exchange[PredictResponse]:
    """Predict the accuracies of architectures, in one request.

    Parameters
    ----------
    architectures : architecture or iterable of architectures
        One or many, each with ``space`` and ``arch``.
    space : str, default=None
        The space of all; each architecture is then the value of ``arch``.
    **options
        See :class:`~acorn.schemas.predict_options.PredictOptions`.

    Returns
    -------
    PredictResponse

    Raises
    ------
    ValidationProblem
        If the server rejects items of the request; lists every one.
    InputError
        If an item is not an architecture.
    ClientError
        For all other errors.
    """
    return policy.ask(prediction([*encode_all(architectures, space)], options))


def prediction(items: Sequence[bytes], options: Options) -> Request[PredictResponse]:
    """Make the request ``POST /predict`` from architectures that are JSON already."""
    body = _document(items, given_options(options))
    read = PredictResponse.model_validate_json
    return Request("POST", "/predict", read, headers=_JSON, body=body)


def proxies(
    policy: RequestPolicy,
    architectures: Architecture | Iterable[Architecture],
    *,
    space: str | None = None,
    **options: Unpack[ProxyOptionValues],
) -> Exchange[ProxyResponse]:
    """Compute zero-cost proxies of architectures, in one request.

    Parameters
    ----------
    architectures : architecture or iterable of architectures
        One or many, each with ``space`` and ``arch``.
    space : str, default=None
        The space of all; each architecture is then the value of ``arch``.
    **options
        See :class:`~acorn.schemas.proxies.ProxyOptions`.

    Returns
    -------
    ProxyResponse

    Raises
    ------
    ValidationProblem
        If the server rejects items of the request; lists every one.
    InputError
        If an item is not an architecture.
    ClientError
        For all other errors.
    """
    values = given_options(options, ProxyOptions.model_fields)
    body = _document([*encode_all(architectures, space)], values)
    read = ProxyResponse.model_validate_json
    return policy.ask(Request("POST", "/proxies", read, headers=_JSON, body=body))


def _document(items: Sequence[bytes], options: Mapping[str, object]) -> bytes:
    tail = "".join(f",{json.dumps(name)}:{to_json(value)}" for name, value in options.items())
    return b'{"architectures":[' + b",".join(items) + b"]" + tail.encode() + b"}"


def spaces(policy: RequestPolicy) -> Exchange[SpaceList]:
    """List the architecture spaces, and the limits of requests.

    Returns
    -------
    SpaceList
    """
    return policy.ask(Request("GET", "/spaces", SpaceList.model_validate_json))


def forests(policy: RequestPolicy) -> Exchange[ForestList]:
    """List the forests in service, and the bundles that were refused.

    Returns
    -------
    ForestList
    """
    return policy.ask(Request("GET", "/forests", ForestList.model_validate_json))


def forest(policy: RequestPolicy, name: str) -> Exchange[ForestDetail]:
    """Show a forest with its manifest.

    Parameters
    ----------
    name : str
        Name of the forest, or ``name@version``.

    Returns
    -------
    ForestDetail

    Raises
    ------
    NotFound
        If there is no such forest.
    """
    path = f"/forests/{quote(name, safe='@')}"
    return policy.ask(Request("GET", path, ForestDetail.model_validate_json))


def health(policy: RequestPolicy) -> Exchange[Ready]:
    """Ask once, without retries, whether the server can answer for any network.

    Returns
    -------
    Ready

    Raises
    ------
    Unavailable
        If it is not ready.
    """
    return policy.ask(Request("GET", "/health/ready", Ready.model_validate_json, is_retried=False))


def live(policy: RequestPolicy) -> Exchange[Live]:
    """Ask once, without retries, whether the server runs.

    Returns
    -------
    Live
    """
    return policy.ask(Request("GET", "/health/live", Live.model_validate_json, is_retried=False))


def submit(
    policy: RequestPolicy,
    architectures: Iterable[Architecture],
    *,
    space: str | None = None,
    key: str | None = None,
    **options: Unpack[JobOptions],
) -> Exchange[Job]:
    """Submit a list as a job. The server validates every architecture before it responds.

    Parameters
    ----------
    architectures : iterable of architectures
        Read once, and never held in memory as a whole.
    space : str, default=None
        The space of all; each architecture is then the value of ``arch``.
    key : str, default=None
        Idempotency key: the same list under the same key leads to the same job.
    **options
        See :class:`~acorn.schemas.predict_options.PredictOptions`; with ``kind="proxies"``
        :class:`~acorn.schemas.proxies.ProxyOptions`.

    Returns
    -------
    Job

    Raises
    ------
    ValidationProblem
        Counts all invalid items, and lists the first hundred.
    TooManyRequests
        If too many jobs wait or run.
    """
    body = Spool(encode_all(architectures, space))
    headers = {
        "Content-Type": "application/x-ndjson",
        "Content-Length": str(body.size),
        "Idempotency-Key": uuid.uuid4().hex if key is None else key,
    }
    try:
        query = write_query(given_options(options, _JOB_OPTIONS))
        request = Request("POST", "/jobs", Job.model_validate_json, query, headers, body)
        return (yield from policy.ask(request))
    finally:
        body.discard()


def search(
    policy: RequestPolicy,
    space: str,
    *,
    key: str | None = None,
    **options: Unpack[SearchOptionValues],
) -> Exchange[Job]:
    """Submit a search of a space as a job.

    Parameters
    ----------
    space : str
        Name of the space.
    key : str, default=None
        Idempotency key: the same search under the same key leads to the same job.
    **options
        See :class:`~acorn.schemas.jobs.SearchOptions`.

    Returns
    -------
    Job

    Raises
    ------
    ValidationProblem
        If the server rejects items of the request.
    TooManyRequests
        If too many jobs wait or run.
    """
    values = given_options(options, SearchOptions.model_fields)
    headers = _JSON | {"Idempotency-Key": uuid.uuid4().hex if key is None else key}
    body = to_json({"kind": "search", "space": space, **values}).encode()
    read = Job.model_validate_json
    return policy.ask(Request("POST", "/jobs", read, headers=headers, body=body))


def front(policy: RequestPolicy, job: Job | str) -> Exchange[SearchFront]:
    """Show the front of a search, also while it runs.

    Parameters
    ----------
    job : Job or str
        The job, or its id.

    Returns
    -------
    SearchFront

    Raises
    ------
    NotFound
        If there is no such search.
    """
    return policy.ask(Request("GET", f"{_path(job)}/front", SearchFront.model_validate_json))


def get(policy: RequestPolicy, job: Job | str) -> Exchange[Job]:
    """Show the progress of a job.

    Parameters
    ----------
    job : Job or str
        The job, or its id.

    Returns
    -------
    Job

    Raises
    ------
    NotFound
        If there is no such job.
    """
    return policy.ask(Request("GET", _path(job), Job.model_validate_json))


def list_jobs(
    policy: RequestPolicy, *, limit: int = 20, after: Job | str | None = None
) -> Exchange[JobList]:
    """List the jobs of the API key, newest first.

    Parameters
    ----------
    limit : int, default=20
        Most jobs to list.
    after : Job or str, default=None
        The job before the first one to list.

    Returns
    -------
    JobList
    """
    query = {"limit": str(limit)} | ({} if after is None else {"after": _id(after)})
    return policy.ask(Request("GET", "/jobs", JobList.model_validate_json, query))


def wait(
    policy: RequestPolicy,
    job: Job | str,
    *,
    timeout: float | None = None,
    on_progress: Callable[[Job], object] | None = None,
) -> Exchange[Job]:
    """Wait until a job is done.

    Parameters
    ----------
    job : Job or str
        The job, or its id.
    timeout : float, default=None
        Seconds to wait; None is no limit.
    on_progress : callable, default=None
        Called with the job after every poll.

    Returns
    -------
    Job

    Raises
    ------
    JobFailed
        If the job failed or was cancelled.
    JobTimeout
        If it is not done in time; it continues.
    """
    end = None if timeout is None else time.monotonic() + timeout
    pause = FIRST_POLL_SECONDS
    while True:
        seen = yield from get(policy, job)
        if on_progress is not None:
            on_progress(seen)
        if seen.state == "done":
            return seen
        if not seen.active:
            raise JobFailed(seen)
        if end is not None:
            left = end - time.monotonic()
            if left <= 0:
                raise JobTimeout(seen, timeout or 0.0)
            pause = min(pause, left)
        yield Wait(pause)
        pause = next_pause(pause)


def frame(policy: RequestPolicy, job: Job | str) -> Exchange["pl.DataFrame"]:
    """Read the results of a job that has ended as a data frame, one row per architecture.

    Parameters
    ----------
    job : Job or str
        The job, or its id.

    Returns
    -------
    polars.DataFrame
        With the columns of the server's tables: ``index``, ``id``, ``space``, ``arch``,
        ``<target>``, ``<target>.lower``, ``<target>.upper``, ..., ``error``.

    Raises
    ------
    Conflict
        If the job has not ended.
    """
    query = {"format": "parquet"}
    return policy.ask(Request("GET", f"{_path(job)}/result", frames.read_table, query))


def cancel(policy: RequestPolicy, job: Job | str) -> Exchange[Job]:
    """Cancel a job that waits or runs; one that has ended does not change.

    Parameters
    ----------
    job : Job or str
        The job, or its id.

    Returns
    -------
    Job
    """
    request = Request("DELETE", _path(job), Job.model_validate_json, {"keep": "true"})
    try:
        return (yield from policy.ask(request))
    except Conflict:
        return (yield from get(policy, job))


def forget(policy: RequestPolicy, job: Job | str) -> Exchange[None]:
    """Delete a job that has ended, and its results; one that runs is only cancelled.

    Parameters
    ----------
    job : Job or str
        The job, or its id.
    """
    return policy.ask(Request("DELETE", _path(job), lambda _body: None, is_safe=False))


def result_lines(job: Job | str, start: int) -> Request[None]:
    """Make the request for the results of a job as lines, from index ``start`` on."""
    query = {"from": str(start), "format": "ndjson"}
    return Request("GET", f"{_path(job)}/result", lambda _body: None, query, is_stream=True)


def job_events(job: Job | str, last: str) -> Request[None]:
    """Make the request for the events of a job after the event ``last``."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    return Request(
        "GET", f"{_path(job)}/events", lambda _body: None, headers=headers, is_stream=True
    )


def next_pause(pause: float) -> float:
    """Increase the seconds between two polls."""
    return min(max(pause * POLL_GROWTH, FIRST_POLL_SECONDS), LAST_POLL_SECONDS)


def _id(job: Job | str) -> str:
    return job.id if isinstance(job, Job) else job


def _path(job: Job | str) -> str:
    return f"/jobs/{quote(_id(job), safe='')}"
