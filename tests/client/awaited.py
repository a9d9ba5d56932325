"""The client that is awaited, called as the one that waits, so that one test is for both."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from acorn.client import AsyncClient


class Awaited:
    """Runs every method of an :class:`AsyncClient` to its end, in an event loop of its own."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(*arguments, **options)

    def __repr__(self) -> str:
        return repr(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def __getattr__(self, name: str) -> Any:
        return _Methods(self._runner, self._client).find(name)


class _Methods:
    def __init__(self, runner: asyncio.Runner, owner: object) -> None:
        self._runner = runner
        self._owner = owner

    def __getattr__(self, name: str) -> Any:
        return self.find(name)

    def find(self, name: str) -> Any:
        found = getattr(self._owner, name)
        if not inspect.ismethod(found):
            return _Methods(self._runner, found)

        def call(*arguments: Any, **options: Any) -> Any:
            result = found(*arguments, **options)
            if inspect.isawaitable(result):
                return self._runner.run(_await(result))
            return self._each(result)

        return call

    def _each(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        end = object()
        try:
            while (item := self._runner.run(_await(anext(items, end)))) is not end:
                yield item
        finally:
            self._runner.run(items.aclose())  # type: ignore[attr-defined]


async def _await(awaitable: Any) -> Any:
    return await awaitable
