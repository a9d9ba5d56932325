"""The client that is awaited."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

import httpx2

from acorn.client import following, frames, lists, requests
from acorn.client.connection import build, connection
from acorn.client.conversations import Attempt, Conversation, Manners, Reply, Retries, ask
from acorn.client.requests import Architecture
from acorn.schemas.jobs import Job, JobList, ResultLine
from acorn.schemas.options import Options
from acorn.schemas.prediction import (
    ForestDetail,
    ForestList,
    Live,
    Prediction,
    PredictResponse,
    Ready,
    SpaceList,
)

if TYPE_CHECKING:
    import polars as pl
    from narwhals.typing import IntoDataFrameT

T = TypeVar("T")


class AsyncClient:
    """Asks a server; every method is awaited, and is that of :class:`~acorn.client.Client`.

    Use it as a context manager, or close it with :meth:`aclose`. It needs asyncio.

    Parameters
    ----------
    url, api_key, timeout, deadline, retries
        As of :class:`~acorn.client.Client`.

    Raises
    ------
    InputError
        If the address is none.
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
        self._manners = Manners(timeout, deadline, retries or Retries())
        self._ask = partial(ask, self._manners)
        self._http = httpx2.AsyncClient(**connection(url, api_key))
        self.jobs = AsyncJobs(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._http.base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def predict(
        self,
        architectures: Architecture | Iterable[Architecture],
        *,
        space: str | None = None,
        **options: Unpack[Options],
    ) -> PredictResponse:
        """See :meth:`Client.predict`."""
        return await self._run(
            self._ask(requests.predict([*requests.encode_all(architectures, space)], options))
        )

    async def iter_predict(
        self,
        architectures: Iterable[Architecture],
        *,
        space: str | None = None,
        chunk: int | None = None,
        concurrency: int = 4,
        **options: Unpack[Options],
    ) -> AsyncIterator[Prediction]:
        """See :meth:`Client.iter_predict`; up to ``concurrency`` requests are under way at a time.

        Close it (``contextlib.aclosing``) where it is not read to its end.
        """
        plan = lists.size_of_parts(self._ask, options, most=chunk, at_once=concurrency)
        parts = lists.cut(requests.encode_all(architectures, space), await self._run(plan))
        under_way = deque[asyncio.Task[list[Prediction]]]()
        try:
            for part in parts:
                conversation = lists.predict_part(self._ask, part, options)
                under_way.append(asyncio.create_task(self._run(conversation)))
                if len(under_way) == concurrency:
                    for prediction in await under_way.popleft():
                        yield prediction
            while under_way:
                for prediction in await under_way.popleft():
                    yield prediction
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def predict_frame(
        self,
        frame: "IntoDataFrameT",
        *,
        chunk: int | None = None,
        concurrency: int = 4,
        **options: Unpack[Options],
    ) -> "IntoDataFrameT":
        """See :meth:`Client.predict_frame`."""
        options.setdefault("features", False)
        groups, found = frames.groups_of(frame), []
        for group in groups:
            predictions = self.iter_predict(
                group.specs, chunk=chunk, concurrency=concurrency, **options
            )
            with group.pointing():
                found.append([each async for each in predictions])
        return frames.answer(frame, groups, found)

    async def spaces(self) -> SpaceList:
        """See :meth:`Client.spaces`."""
        return await self._run(self._ask(requests.spaces()))

    async def forests(self) -> ForestList:
        """See :meth:`Client.forests`."""
        return await self._run(self._ask(requests.forests()))

    async def forest(self, name: str) -> ForestDetail:
        """See :meth:`Client.forest`."""
        return await self._run(self._ask(requests.forest(name)))

    async def health(self) -> Ready:
        """See :meth:`Client.health`."""
        return await self._run(self._ask(requests.ready()))

    async def live(self) -> Live:
        """See :meth:`Client.live`."""
        return await self._run(self._ask(requests.live()))

    async def _run(self, conversation: Conversation[T]) -> T:
        """Do what a conversation says, until it has its result."""
        reply: Reply = None
        try:
            while True:
                step = conversation.send(reply)
                if isinstance(step, Attempt):
                    reply = await self._send(step)
                else:
                    await asyncio.sleep(step.seconds)
                    reply = None
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, attempt: Attempt) -> Reply:
        try:
            request = build(self._http, attempt)
            response = await self._http.send(request, stream=attempt.request.is_stream)
            if not response.is_success:
                await response.aread()
        except httpx2.RequestError as error:
            return error
        return response


class AsyncJobs:
    """Jobs of a server, awaited; every method is that of :class:`~acorn.client.Jobs`."""

    def __init__(self, client: AsyncClient) -> None:
        self._manners = client._manners
        self._ask = client._ask
        self._run = client._run

    async def submit(
        self,
        architectures: Iterable[Architecture],
        *,
        space: str | None = None,
        key: str | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """See :meth:`Jobs.submit`."""
        body = requests.Spool(requests.encode_all(architectures, space))
        try:
            return await self._run(self._ask(requests.submit(body, options, key)))
        finally:
            body.discard()

    async def get(self, job: Job | str) -> Job:
        """See :meth:`Jobs.get`."""
        return await self._run(self._ask(requests.show(job)))

    async def list(self, *, limit: int = 20, after: Job | str | None = None) -> JobList:
        """See :meth:`Jobs.list`."""
        return await self._run(self._ask(requests.list_jobs(limit, after)))

    async def wait(
        self,
        job: Job | str,
        *,
        timeout: float | None = None,
        on_progress: Callable[[Job], object] | None = None,
    ) -> Job:
        """See :meth:`Jobs.wait`."""
        return await self._run(
            following.wait(self._ask, job, timeout=timeout, on_progress=on_progress)
        )

    async def events(self, job: Job | str) -> AsyncIterator[Job]:
        """See :meth:`Jobs.events`."""
        stream = following.EventStream(self._manners, job)
        while (response := await self._run(stream.open())) is not None:
            try:
                async for event in httpx2.EventSource(response):
                    yield stream.read(event)
                stream.ended(response)
            except httpx2.RequestError as error:
                stream.lost(error)
            finally:
                await response.aclose()

    async def results(
        self, job: Job | str, *, start: int = 0, follow: bool = True
    ) -> AsyncIterator[ResultLine]:
        """See :meth:`Jobs.results`."""
        stream = following.ResultStream(self._manners, job, start=start, follow=follow)
        while (response := await self._run(stream.open())) is not None:
            try:
                async for line in response.aiter_lines():
                    yield stream.read(line)
                stream.ended(response)
            except httpx2.RequestError as error:
                stream.lost(error)
            finally:
                await response.aclose()

    async def frame(self, job: Job | str) -> "pl.DataFrame":
        """See :meth:`Jobs.frame`."""
        return frames.read_table(await self._run(self._ask(requests.table(job))))

    async def cancel(self, job: Job | str) -> Job:
        """See :meth:`Jobs.cancel`."""
        return await self._run(following.cancel(self._ask, job))

    async def forget(self, job: Job | str) -> None:
        """See :meth:`Jobs.forget`."""
        await self._run(self._ask(requests.forget(job)))
