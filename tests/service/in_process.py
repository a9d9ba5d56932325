"""The whole application inside the test process: no socket, and workers that are threads.

Everything but the transport and the processes is what ``acorn serve`` runs: middleware, routes,
worker pool, the code inside of a worker, database. So these servers start in milliseconds. Tests of
what processes do (signals, kills, memory) use ``quick_servers.py``.
"""

import asyncio
import contextlib
import io
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from acorn.features.feature_table import FeatureRow
from service.http.app import create_app
from service.http.server import Server
from service.observability.logs import LogFormat, configure_logging
from service.settings import load_settings
from service.workers import WorkFactory
from service.workers.feature_work import FeatureTask
from service.workers.protocol import Started, Stop, Task, WorkerHandle
from service.workers.worker import Worker
from tests.service.serve_faulty import Faulty
from tests.service.servers import PATIENCE, Requests
from tests.service.small_forest import SmallForest

_pids = itertools.count(1)


class ThreadWorker(WorkerHandle[Any]):
    """A worker in a thread; work that raises :class:`SystemExit` ends it, as a crash would."""

    def __init__(
        self,
        factory: WorkFactory[Any, Any],
        index: int,
        *,
        on_message: Callable[[WorkerHandle[Any], object], None],
        on_gone: Callable[[WorkerHandle[Any]], None],
    ) -> None:
        super().__init__(index, on_message=on_message, on_gone=on_gone)
        self.pid = next(_pids)
        self._messages: queue.SimpleQueue[Task[Any] | Stop] = queue.SimpleQueue()
        self._gone = threading.Lock()
        threading.Thread(target=self._run, args=(factory,), daemon=True).start()

    def send(self, message: Task[Any] | Stop) -> None:
        self._messages.put(message)

    def kill(self) -> None:
        """Leave the thread to itself, if it is busy, and report its end."""
        self._messages.put(Stop())
        self._end()

    def _run(self, factory: WorkFactory[Any, Any]) -> None:
        worker: Worker[Any, Any] = Worker()
        outcome = worker.start(factory, self.index)
        self._post(self._on_message, self, outcome)
        while isinstance(outcome, Started) and isinstance(task := self._messages.get(), Task):
            try:
                self._post(self._on_message, self, worker.answer(task))
            except SystemExit:
                break
        self._end()

    def _end(self) -> None:
        if self._gone.acquire(blocking=False):
            self._post(self._on_gone, self)


@dataclass(frozen=True)
class FaultyThreads(Faulty):
    """Makes the function of workers that are threads: ``die`` must end them, not the process."""

    def __call__(self, index: int) -> Callable[[FeatureTask], FeatureRow]:  # noqa: ARG002
        return self.compute

    def compute(self, task: FeatureTask) -> FeatureRow:
        command = self.commands.get(task.canonical, self.commands.get("*", ""))
        if command.startswith("die"):
            raise SystemExit
        return super().compute(task)


class _Transport(httpx.BaseTransport):
    """Passes requests to the application, which runs in the event loop of another thread."""

    def __init__(self, app: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> None:
        self._transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return asyncio.run_coroutine_threadsafe(self._respond(request), self._loop).result(PATIENCE)

    async def _respond(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        content = b"".join([chunk async for chunk in response.stream])
        return httpx.Response(
            response.status_code, headers=response.headers, stream=httpx.ByteStream(content)
        )


class InProcessServer(Requests):
    """The application, what it logs, and how to ask it."""

    def __init__(self, transport: httpx.BaseTransport, folder: Path, output: io.StringIO) -> None:
        super().__init__("http://127.0.0.1", folder, transport)
        self._output = output

    @property
    def log(self) -> str:
        return self._output.getvalue()


@contextmanager
def in_process(
    folder: Path, forests: Path, factory: WorkFactory[Any, Any] | None, **options: object
) -> Iterator[InProcessServer]:
    """Run the application with some settings until the end of the block."""
    settings = load_settings(forests=forests, var=folder / "var", **options)
    app = create_app(settings, factory=factory, start_worker=ThreadWorker)
    config = Server(app, settings).config
    config.load()
    started: queue.SimpleQueue[asyncio.AbstractEventLoop | BaseException] = queue.SimpleQueue()
    ended = asyncio.Event()

    async def live() -> None:
        try:
            async with app.router.lifespan_context(app):
                started.put(asyncio.get_running_loop())
                await ended.wait()
        except BaseException as error:
            started.put(error)
            raise

    output = io.StringIO()
    with _logging_to(output, settings.log_level, settings.log_format):
        thread = threading.Thread(target=asyncio.run, args=(live(),))
        thread.start()
        loop = started.get(timeout=PATIENCE)
        if isinstance(loop, BaseException):
            raise loop
        server = InProcessServer(_Transport(config.loaded_app, loop), folder, output)
        try:
            yield server
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join()


@contextmanager
def _logging_to(output: io.StringIO, level: str, form: LogFormat) -> Iterator[None]:
    root = logging.getLogger()
    handlers, former_level = root.handlers[:], root.level
    root.handlers.clear()
    with contextlib.redirect_stderr(output):
        configure_logging(level, form)
    (handler,) = root.handlers
    handler.addFilter(lambda record: not record.name.startswith("httpx"))  # the test's own client
    root.handlers[:] = [*handlers, handler]
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(former_level)


@contextmanager
def quick_app(
    folder: Path,
    small: SmallForest,
    *,
    faults: Mapping[str, str] | None = None,
    default: str = "",
    forests: Path | None = None,
    **settings: object,
) -> Iterator[InProcessServer]:
    """Run as ``quick_server`` does, in this process."""
    folder.mkdir(exist_ok=True, parents=True)
    commands = {small.canonical(cell): command for cell, command in (faults or {}).items()}
    factory = FaultyThreads({"*": default, **commands})
    with in_process(folder, forests or small.folder, factory, **settings) as server:
        server.until_ready()
        yield server
