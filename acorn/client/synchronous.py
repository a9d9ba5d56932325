"""The blocking client."""

import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar, Unpack, get_args

import httpx2

from acorn.client import calls, chunks, frames, requests
from acorn.client.connection import build, connection
from acorn.client.exchanges import Attempt, Exchange, Reply, RequestPolicy, Retries
from acorn.client.requests import Architecture
from acorn.client.streams import EventStream, ItemT, JobStream, ResultStream
from acorn.schemas.jobs import Job, ResultLine
from acorn.schemas.predict_options import Options
from acorn.schemas.prediction import Prediction

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrameT

P = ParamSpec("P")
T = TypeVar("T")


def signature_of(call: Callable[..., Exchange[T]]) -> inspect.Signature:
    """Find the signature of a client's method for a call, for help and documentation.

    Parameters
    ----------
    call : callable
        A function of :mod:`acorn.client.calls`.

    Returns
    -------
    inspect.Signature
    """
    signature = inspect.signature(call)
    first, *others = signature.parameters.values()
    return signature.replace(
        parameters=[first.replace(name="self", annotation=inspect.Parameter.empty), *others],
        return_annotation=get_args(signature.return_annotation)[-1],
    )


def _blocking(
    call: Callable[Concatenate[RequestPolicy, P], Exchange[T]],
) -> Callable[Concatenate["_Runner", P], T]:
    """Make a blocking method of a call."""

    @wraps(call)
    def method(self: "_Runner", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(call(self._policy, *args, **kwargs))

    method.__signature__ = signature_of(call)  # type: ignore[attr-defined]
    return method


class _Runner:
    """Runs exchanges."""

    def __init__(self, policy: RequestPolicy, http: httpx2.Client) -> None:
        self._policy = policy
        self._http = http

    def _run(self, exchange: Exchange[T]) -> T:
        reply: Reply = None
        try:
            while True:
                step = exchange.send(reply)
                if isinstance(step, Attempt):
                    reply = self._send(step)
                else:
                    time.sleep(step.seconds)
                    reply = None
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            exchange.close()

    def _send(self, attempt: Attempt) -> Reply:
        try:
            request = build(self._http, attempt)
            response = self._http.send(request, stream=attempt.request.is_stream)
            if not response.is_success:
                response.read()
        except httpx2.RequestError as error:
            return error
        return response

    def _stream(
        self, stream: JobStream[ItemT, T], items: Callable[[httpx2.Response], Iterable[ItemT]]
    ) -> Iterator[T]:
        while (response := self._run(stream.open())) is not None:
            try:
                for item in items(response):
                    yield stream.read(item)
                stream.ended(response)
            except httpx2.RequestError as error:
                stream.lost(error)
            finally:
                response.close()


class Client(_Runner):
    """A client whose methods block until the server has answered.

    Thread-safe. Use it as a context manager, or close it.

    Parameters
    ----------
    url : str, default=None
        Address of the server; by default ``ACORN_URL``, else ``http://127.0.0.1:8000``.
    api_key : str, default=None
        By default ``ACORN_API_KEY``, else none.
    timeout : float, default=300.0
        Seconds that the server may be silent; to compute a new network may take it minutes.
    deadline : float or None, default=600.0
        Seconds that one request may take, with all its attempts; None is no limit.
    retries : Retries, default=None
        When a request is sent again; by default ``Retries()``.

    Attributes
    ----------
    jobs : Jobs
        Jobs of the server.

    Raises
    ------
    InputError
        If the address is invalid.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     answer = client.predict("64:64:64:64:64", space="nats_sss", targets=["clean"])
    ...     answer.predictions[0].targets["clean"].value
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 300.0,
        deadline: float | None = 600.0,
        retries: Retries | None = None,
    ) -> None:
        policy = RequestPolicy(timeout, deadline, retries or Retries())
        super().__init__(policy, httpx2.Client(**connection(url, api_key)))
        self.jobs = Jobs(self._policy, self._http)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._http.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    predict = _blocking(calls.predict)
    proxies = _blocking(calls.proxies)
    spaces = _blocking(calls.spaces)
    forests = _blocking(calls.forests)
    forest = _blocking(calls.forest)
    health = _blocking(calls.health)
    live = _blocking(calls.live)

    def iter_predict(
        self,
        architectures: Iterable[Architecture],
        *,
        space: str | None = None,
        chunk: int | None = None,
        **options: Unpack[Options],
    ) -> Iterator[Prediction]:
        """Predict a list of any length, in as many requests as the server's limits require.

        Parameters
        ----------
        architectures : iterable of architectures
            Read as needed.
        space : str, default=None
            The space of all; each architecture is then the value of ``arch``.
        chunk : int, default=None
            Architectures per request; by default as many as the server accepts.
        **options
            See :class:`~acorn.schemas.predict_options.PredictOptions`.

        Yields
        ------
        Prediction
            In the order of the list.

        Raises
        ------
        ValidationProblem
            As :meth:`predict` does; pointers count from the beginning of the list.
        """
        plan = chunks.size_of_parts(self._policy, options, most=chunk, at_once=1)
        for part in chunks.cut(requests.encode_all(architectures, space), self._run(plan)):
            yield from self._run(chunks.predict_part(self._policy, part, options))

    def predict_frame(
        self, frame: "IntoDataFrameT", *, chunk: int | None = None, **options: Unpack[Options]
    ) -> "IntoDataFrameT":
        """Predict the rows of a data frame: polars, pandas, or another that narwhals supports.

        Parameters
        ----------
        frame : data frame
            With the columns ``space`` and ``arch``; of any length, and of several spaces.
        chunk : int, default=None
            Architectures per request; by default as many as the server accepts.
        **options
            See :class:`~acorn.schemas.predict_options.PredictOptions`.

        Returns
        -------
        data frame
            Of the same library, in the order of the rows: ``space`` and ``arch`` as given; ``id``;
            for each target ``<target>``, ``<target>.lower`` and ``<target>.upper`` in the unit of
            the target; ``in_domain`` and ``domain_score``.
        """
        options.setdefault("features", False)
        groups, predictions = frames.groups_of(frame), []
        for group in groups:
            with group.pointing():
                predictions.append([*self.iter_predict(group.specs, chunk=chunk, **options)])
        return frames.answer(frame, groups, predictions)


class Jobs(_Runner):
    """Jobs of a server: lists that it predicts in the background; ``Client.jobs``."""

    submit = _blocking(calls.submit)
    search = _blocking(calls.search)
    front = _blocking(calls.front)
    get = _blocking(calls.get)
    list = _blocking(calls.list_jobs)
    wait = _blocking(calls.wait)
    frame = _blocking(calls.frame)
    cancel = _blocking(calls.cancel)
    forget = _blocking(calls.forget)

    def events(self, job: Job | str) -> Iterator[Job]:
        """Follow a job until its end.

        Parameters
        ----------
        job : Job or str
            The job, or its id.

        Yields
        ------
        Job
            Whenever its progress changes.
        """
        return self._stream(EventStream(self._policy, job), httpx2.EventSource)

    def results(
        self, job: Job | str, *, start: int = 0, follow: bool = True
    ) -> Iterator[ResultLine]:
        """Read the results of a job.

        Parameters
        ----------
        job : Job or str
            The job, or its id.
        start : int, default=0
            Index of the first result.
        follow : bool, default=True
            Whether to wait for results that are not available yet, until the end of the job. If it
            was cancelled, results may be missing.

        Yields
        ------
        ResultLine
            A prediction or an error, in the order of the list.
        """
        stream = ResultStream(self._policy, job, start=start, follow=follow)
        return self._stream(stream, httpx2.Response.iter_lines)
