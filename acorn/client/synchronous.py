"""The client that waits."""

import time
from collections.abc import Callable, Iterable, Iterator
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


class Client:
    """Asks a server; every method waits for its answer.

    Safe to use from several threads. Use it as a context manager, or close it.

    Parameters
    ----------
    url
        Address of the server; by default ``ACORN_URL``, else ``http://127.0.0.1:8000``.
    api_key
        By default ``ACORN_API_KEY``, else none.
    timeout
        Seconds that the server may be silent; a network that nobody asked for before may take it
        minutes.
    deadline
        Seconds that one request may take, with all its attempts; None is any time.
    retries
        When a request is sent again.

    Raises
    ------
    InputError
        If the address is none.

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
        self._manners = Manners(timeout, deadline, retries or Retries())
        self._ask = partial(ask, self._manners)
        self._http = httpx2.Client(**connection(url, api_key))
        self.jobs = Jobs(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._http.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def predict(
        self,
        architectures: Architecture | Iterable[Architecture],
        *,
        space: str | None = None,
        **options: Unpack[Options],
    ) -> PredictResponse:
        """Predict the accuracies of architectures, in one request.

        Parameters
        ----------
        architectures
            One or many, each with ``space`` and ``arch``.
        space
            The space of all: then each is what belongs under ``arch``.
        **options
            See :class:`~acorn.client.Options`.

        Raises
        ------
        ValidationProblem
            Lists every bad item.
        InputError
            For what is no architecture at all.
        ClientError
            For all else that the server, or the way to it, has against the request.
        """
        return self._run(
            self._ask(requests.predict([*requests.encode_all(architectures, space)], options))
        )

    def iter_predict(
        self,
        architectures: Iterable[Architecture],
        *,
        space: str | None = None,
        chunk: int | None = None,
        **options: Unpack[Options],
    ) -> Iterator[Prediction]:
        """Predict a list of any length, in as many requests as the server's limits ask for.

        The list is read as it is needed, and predictions come in its order.

        Parameters
        ----------
        architectures, space, **options
            As of :meth:`predict`.
        chunk
            Architectures a request; by default as many as the server takes.

        Raises
        ------
        ValidationProblem
            As :meth:`predict`; pointers count from the beginning of the list.
        """
        size = self._run(lists.size_of_parts(self._ask, options, most=chunk, at_once=1))
        for part in lists.cut(requests.encode_all(architectures, space), size):
            yield from self._run(lists.predict_part(self._ask, part, options))

    def predict_frame(
        self, frame: "IntoDataFrameT", *, chunk: int | None = None, **options: Unpack[Options]
    ) -> "IntoDataFrameT":
        """Predict the rows of a data frame: polars, pandas, or another that narwhals knows.

        Parameters
        ----------
        frame
            With the columns ``space`` and ``arch``; of any length, and of several spaces.
        chunk, **options
            As of :meth:`iter_predict`.

        Returns
        -------
        frame
            Of the same kind, in the order of the rows: ``space`` and ``arch`` as given; ``id``;
            for each target ``<target>``, ``<target>.lower`` and ``<target>.upper`` in percent;
            ``in_domain`` and ``domain_score``.
        """
        options.setdefault("features", False)
        groups, found = frames.groups_of(frame), []
        for group in groups:
            with group.pointing():
                found.append([*self.iter_predict(group.specs, chunk=chunk, **options)])
        return frames.answer(frame, groups, found)

    def spaces(self) -> SpaceList:
        """List the architecture spaces, and the limits of requests."""
        return self._run(self._ask(requests.spaces()))

    def forests(self) -> ForestList:
        """List the forests that answer, and the bundles that were refused."""
        return self._run(self._ask(requests.forests()))

    def forest(self, name: str) -> ForestDetail:
        """Show a forest; raises :class:`~acorn.client.NotFound`."""
        return self._run(self._ask(requests.forest(name)))

    def health(self) -> Ready:
        """Ask once whether the server can answer for any network.

        Raises :class:`~acorn.client.Unavailable` where it is not ready.
        """
        return self._run(self._ask(requests.ready()))

    def live(self) -> Live:
        """Ask once whether the server runs."""
        return self._run(self._ask(requests.live()))

    def _run(self, conversation: Conversation[T]) -> T:
        """Do what a conversation says, until it has its result."""
        reply: Reply = None
        try:
            while True:
                step = conversation.send(reply)
                if isinstance(step, Attempt):
                    reply = self._send(step)
                else:
                    time.sleep(step.seconds)
                    reply = None
        except StopIteration as end:
            result: T = end.value
            return result

    def _send(self, attempt: Attempt) -> Reply:
        try:
            request = build(self._http, attempt)
            response = self._http.send(request, stream=attempt.request.is_stream)
            if not response.is_success:
                response.read()
        except httpx2.RequestError as error:
            return error
        return response


class Jobs:
    """Jobs of a server: lists that it works off while nobody waits; ``Client.jobs``.

    Wherever a job is asked for, its id will do as well.
    """

    def __init__(self, client: Client) -> None:
        self._manners = client._manners
        self._ask = client._ask
        self._run = client._run

    def submit(
        self,
        architectures: Iterable[Architecture],
        *,
        space: str | None = None,
        key: str | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Send a list; every architecture is checked before the answer.

        Parameters
        ----------
        architectures, space, **options
            As of :meth:`Client.predict`. The list is read once, and never held as a whole.
        key
            Any text of the caller's own: sent again with the same key, the same list leads to the
            same job.

        Raises
        ------
        ValidationProblem
            Counts all bad items, and lists the first hundred.
        TooManyRequests
            If too many jobs wait or run.
        """
        body = requests.Spool(requests.encode_all(architectures, space))
        try:
            return self._run(self._ask(requests.submit(body, options, key)))
        finally:
            body.discard()

    def get(self, job: Job | str) -> Job:
        """Show how far a job is; raises :class:`~acorn.client.NotFound`."""
        return self._run(self._ask(requests.show(job)))

    def list(self, *, limit: int = 20, after: Job | str | None = None) -> JobList:
        """List the jobs of one's key, the newest first, from the one after ``after`` on."""
        return self._run(self._ask(requests.list_jobs(limit, after)))

    def wait(
        self,
        job: Job | str,
        *,
        timeout: float | None = None,
        on_progress: Callable[[Job], object] | None = None,
    ) -> Job:
        """Wait until a job is done.

        Parameters
        ----------
        job
            The job.
        timeout
            Seconds to wait; None is any time.
        on_progress
            Called with the job whenever it was looked at.

        Raises
        ------
        JobFailed
            If it failed or was cancelled.
        JobTimeout
            If it is not done in time; it goes on.
        """
        return self._run(following.wait(self._ask, job, timeout=timeout, on_progress=on_progress))

    def events(self, job: Job | str) -> Iterator[Job]:
        """Tell how far a job is whenever that changes, until its end."""
        stream = following.EventStream(self._manners, job)
        while (response := self._run(stream.open())) is not None:
            try:
                for event in httpx2.EventSource(response):
                    yield stream.read(event)
                stream.ended(response)
            except httpx2.RequestError as error:
                stream.lost(error)
            finally:
                response.close()

    def results(
        self, job: Job | str, *, start: int = 0, follow: bool = True
    ) -> Iterator[ResultLine]:
        """Read results in the order of the list, each a prediction or an error.

        Parameters
        ----------
        job
            The job.
        start
            Index of the first result.
        follow
            Whether to wait for what is not there yet, until the job's end. Of a job that was
            cancelled, results may be missing.
        """
        stream = following.ResultStream(self._manners, job, start=start, follow=follow)
        while (response := self._run(stream.open())) is not None:
            try:
                for line in response.iter_lines():
                    yield stream.read(line)
                stream.ended(response)
            except httpx2.RequestError as error:
                stream.lost(error)
            finally:
                response.close()

    def frame(self, job: Job | str) -> "pl.DataFrame":
        """Read the results of a job that has ended as a data frame, a row an architecture.

        Its columns are those of the server's tables: ``index``, ``id``, ``space``, ``arch``,
        ``<target>``, ``<target>.lower``, ``<target>.upper``, ..., ``error``. Raises
        :class:`~acorn.client.Conflict` before the end.
        """
        return frames.read_table(self._run(self._ask(requests.table(job))))

    def cancel(self, job: Job | str) -> Job:
        """End a job that waits or runs; one that has ended stays as it is."""
        return self._run(following.cancel(self._ask, job))

    def forget(self, job: Job | str) -> None:
        """Remove a job that has ended, and its results; one that runs is only cancelled."""
        self._run(self._ask(requests.forget(job)))
