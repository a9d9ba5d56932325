"""Maps of whole spaces are made once."""

import asyncio
from pathlib import Path

import pytest

from service.prediction.space_map import SpaceMaps
from service.repository.model_repository import ModelRepository
from tests.service.small_forest import SmallForest


def test_a_map_is_made_once(small: SmallForest, monkeypatch: pytest.MonkeyPatch) -> None:
    forests = ModelRepository(Path(small.folder))
    maps = SpaceMaps(forests)
    made: list[object] = []
    write = SpaceMaps._write

    def count(self: SpaceMaps, *args: object) -> bytes:
        made.append(args[1:])
        return write(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(SpaceMaps, "_write", count)

    async def ask(y: str) -> bytes:
        return await maps.get("nats_tss", dataset="cifar10", x="clean", y=y)

    async def scenario() -> None:
        first, *others = await asyncio.gather(*(ask("params") for _ in range(5)))
        assert others == [first] * 4  # while it is being made as well
        assert await ask("params") == first
        assert len(made) == 1
        assert await ask("flops") != first
        assert len(made) == 2

    asyncio.run(scenario())
