"""The client for asyncio."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, Unpack

import httpx2

from acorn.client import calls, chunks, frames, requests
from acorn.client.connection import build, connection
from acorn.client.exchanges import Attempt, Exchange, Reply, RequestPolicy, Retries
from acorn.client.requests import Architecture
from acorn.client.streams import EventStream, ItemT, JobStream, ResultStream
from acorn.client.synchronous import signature_of
from acorn.schemas.jobs import Job, ResultLine
from acorn.schemas.predict_options import Options
from acorn.schemas.prediction import Prediction

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrameT

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(
    call: Callable[Concatenate[RequestPolicy, P], Exchange[T]],
) -> Callable[Concatenate["_AsyncRunner", P], Coroutine[Any, Any, T]]:
    """Make a coroutine method of a call."""

    @wraps(call)
    async def method(self: "_AsyncRunner", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(call(self._policy, *args, **kwargs))

    method.__signature__ = signature_of(call)  # type: ignore[attr-defined]
    return method


class _AsyncRunner:
    """Runs exchanges."""

    def __init__(self, policy: RequestPolicy, http: httpx2.AsyncClient) -> None:
        self._policy = policy
        self._http = http

    async def _run(self, exchange: Exchange[T]) -> T:
        reply: Reply = None
        try:
            while True:
                step = exchange.send(reply)
                if isinstance(step, Attempt):
                    reply = await self._send(step)
                else:
                    await asyncio.sleep(step.seconds)
                    reply = None
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            exchange.close()

    async def _send(self, attempt: Attempt) -> Reply:
        try:
            request = build(self._http, attempt)
            response = await self._http.send(request, stream=attempt.request.is_stream)
            if not response.is_success:
                await response.aread()
        except httpx2.RequestError as error:
            return error
        return response

    async def _stream(
        self, stream: JobStream[ItemT, T], items: Callable[[httpx2.Response], AsyncIterable[ItemT]]
    ) -> AsyncIterator[T]:
        while (response := await self._run(stream.open())) is not None:
            try:
                async for item in items(response):
                    yield stream.read(item)
                stream.ended(response)
            except httpx2.RequestError as error:
                stream.lost(error)
            finally:
                await response.aclose()


class AsyncClient(_AsyncRunner):
    """A client whose methods are coroutines; otherwise the same as :class:`~acorn.client.Client`.

    Use it as a context manager, or close it with :meth:`aclose`. It needs asyncio.

    Parameters
    ----------
    url, api_key, timeout, deadline, retries
        See :class:`~acorn.client.Client`.

    Attributes
    ----------
    jobs : AsyncJobs
        Jobs of the server.

    Raises
    ------
    InputError
        If the address is invalid.
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
        super().__init__(policy, httpx2.AsyncClient(**connection(url, api_key)))
        self.jobs = AsyncJobs(self._policy, self._http)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._http.base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    predict = _awaited(calls.predict)
    proxies = _awaited(calls.proxies)
    spaces = _awaited(calls.spaces)
    forests = _awaited(calls.forests)
    forest = _awaited(calls.forest)
    health = _awaited(calls.health)
    live = _awaited(calls.live)

    async def iter_predict(
        self,
        architectures: Iterable[Architecture],
        *,
        space: str | None = None,
        chunk: int | None = None,
        concurrency: int = 4,
        **options: Unpack[Options],
    ) -> AsyncIterator[Prediction]:
        """Predict a list of any length, with concurrent requests.

        Close the iterator (``contextlib.aclosing``) if it is not read to its end.

        Parameters
        ----------
        architectures, space, chunk, **options
            See :meth:`Client.iter_predict`.
        concurrency : int, default=4
            Most requests in progress at a time.

        Yields
        ------
        Prediction
            In the order of the list.
        """
        plan = chunks.size_of_parts(self._policy, options, most=chunk, at_once=concurrency)
        parts = chunks.cut(requests.encode_all(architectures, space), await self._run(plan))
        tasks = deque[asyncio.Task[list[Prediction]]]()
        try:
            for part in parts:
                exchange = chunks.predict_part(self._policy, part, options)
                tasks.append(asyncio.create_task(self._run(exchange)))
                if len(tasks) == concurrency:
                    for prediction in await tasks.popleft():
                        yield prediction
            while tasks:
                for prediction in await tasks.popleft():
                    yield prediction
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def predict_frame(
        self,
        frame: "IntoDataFrameT",
        *,
        chunk: int | None = None,
        concurrency: int = 4,
        **options: Unpack[Options],
    ) -> "IntoDataFrameT":
        """Predict the rows of a data frame.

        Parameters
        ----------
        frame, chunk, **options
            See :meth:`Client.predict_frame`.
        concurrency : int, default=4
            Most requests in progress at a time.

        Returns
        -------
        data frame
            See :meth:`Client.predict_frame`.
        """
        options.setdefault("features", False)
        groups, predictions = frames.groups_of(frame), []
        for group in groups:
            answers = self.iter_predict(
                group.specs, chunk=chunk, concurrency=concurrency, **options
            )
            with group.pointing():
                predictions.append([prediction async for prediction in answers])
        return frames.answer(frame, groups, predictions)


class AsyncJobs(_AsyncRunner):
    """Jobs of a server; every method is the coroutine of :class:`~acorn.client.Jobs`."""

    submit = _awaited(calls.submit)
    search = _awaited(calls.search)
    front = _awaited(calls.front)
    get = _awaited(calls.get)
    list = _awaited(calls.list_jobs)
    wait = _awaited(calls.wait)
    frame = _awaited(calls.frame)
    cancel = _awaited(calls.cancel)
    forget = _awaited(calls.forget)

    def events(self, job: Job | str) -> AsyncIterator[Job]:
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
    ) -> AsyncIterator[ResultLine]:
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
        return self._stream(stream, httpx2.Response.aiter_lines)
