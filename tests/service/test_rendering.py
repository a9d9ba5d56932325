"""Answers written from kept texts are the answers that would be made anew."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from acorn.spaces import get_space
from service.prediction.predictor import Predictor
from service.prediction.responses.rendering import TextCache
from service.repository.model_repository import ModelRepository
from service.storage.cache import FeatureCache
from service.storage.database import Database
from service.storage.feature_store import FeatureStore
from tests.service.small_forest import SmallForest


@pytest.fixture
def looked_up() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def predictor(
    small: SmallForest, looked_up: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Predictor]:
    folder = tmp_path_factory.mktemp("store")
    cache = FeatureCache(FeatureStore(Database(f"sqlite:///{folder}/acorn.db")))

    async def compute(_tasks: object) -> NoReturn:
        raise AssertionError("all is in the table")

    predictor = Predictor(
        ModelRepository(small.folder),
        cache,
        compute,
        max_architectures=100,
        max_explanations=1_000,
        on_lookup=lambda source, n: looked_up.append((source, n)) if n else None,
    )
    yield predictor
    predictor.close()
    cache.close()


def document(*cells: str, **fields: object) -> dict[str, Any]:
    return {"architectures": [{"space": "nats_tss", "arch": cell} for cell in cells], **fields}


def respond(predictor: Predictor, asked: object) -> dict[str, Any]:
    async def run() -> bytes:
        return await predictor.respond(await predictor.plan(asked))

    return json.loads(asyncio.run(run()))


def at_hand(predictor: Predictor, asked: object) -> dict[str, Any] | None:
    text = predictor.respond_from_cache(asyncio.run(predictor.plan(asked)))
    return None if text is None else json.loads(text)


def anew(predictor: Predictor, asked: object) -> dict[str, Any]:
    return json.loads(asyncio.run(predictor.predict(asked)).model_dump_json())


def without_seconds(answer: dict[str, Any] | None) -> dict[str, Any]:
    assert answer is not None
    for prediction in answer["predictions"]:
        seconds = prediction.pop("seconds")
        assert set(seconds) == {"queue", "features", "forest"}
        assert 0.0 <= seconds["forest"] < 60.0
    return answer


WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "explained": {"explain": "path"},
    "one target": {"targets": ["pgd_linf_1.0"]},
    "another spelling": {"targets": ["pgd_linf_1"]},
    "both, turned round": {"targets": ["pgd_linf_1.0", "clean"]},
    "no features": {"features": False},
    "a narrow interval": {"interval": 0.5},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_kept_answer_is_the_fresh_one(predictor: Predictor, small: SmallForest, way: str) -> None:
    asked = document(*small.known[:3], **WAYS[way])
    expected = without_seconds(anew(predictor, asked))
    assert at_hand(predictor, asked) is None
    assert without_seconds(respond(predictor, asked)) == expected
    assert without_seconds(at_hand(predictor, asked)) == expected
    assert without_seconds(respond(predictor, asked)) == expected


def test_ways_to_ask_are_kept_apart(predictor: Predictor, small: SmallForest) -> None:
    for _ in range(2):
        for fields in WAYS.values():
            asked = document(small.known[0], **fields)
            assert without_seconds(respond(predictor, asked)) == without_seconds(
                anew(predictor, asked)
            )


def test_what_is_kept_and_what_is_new_make_one_answer(
    predictor: Predictor, small: SmallForest
) -> None:
    respond(predictor, document(small.known[1]))
    asked = document(*small.known[:3], small.known[1])
    assert without_seconds(respond(predictor, asked)) == without_seconds(anew(predictor, asked))


def test_a_twin_gets_the_kept_judgement_and_its_own_cost(
    predictor: Predictor, small: SmallForest
) -> None:
    cell = small.known[0]
    space = get_space("nats_tss")
    twins = [each for each in space.enumerate() if space.parse(each).id == small.id(cell)]
    asked = [document(twin) for twin in twins]
    answers = [respond(predictor, asked[0]), *(at_hand(predictor, each) for each in asked[1:])]
    (first,), *rest = (without_seconds(answer)["predictions"] for answer in answers)
    for twin, (prediction,) in zip(twins[1:], rest, strict=True):
        cost = space.cost(twin, _cifar10())
        assert prediction["submitted"] == {"params": cost.params, "flops": cost.flops}
        assert prediction | {"submitted": first["submitted"]} == first
    together = without_seconds(respond(predictor, document(*twins)))["predictions"]
    assert together == [first, *(prediction for (prediction,) in rest)]


def test_every_answer_counts_where_its_features_are_from(
    predictor: Predictor, small: SmallForest, looked_up: list[tuple[str, int]]
) -> None:
    respond(predictor, document(*small.known[:3]))
    at_hand(predictor, document(*small.known[:2]))
    respond(predictor, document(*small.known[:4]))
    assert looked_up == [("table", 3), ("table", 2), ("table", 3), ("table", 1)]


def test_texts_are_bounded_by_bytes() -> None:
    texts = TextCache(max_bytes=100)
    for key in range(4):
        texts.put(key, b"x" * 30)
    assert [texts.get(key) is None for key in range(4)] == [True, False, False, False]
    texts.get(1)
    texts.put(4, b"x" * 30)  # 2 is the least recently used
    assert [texts.get(key) is None for key in range(5)] == [True, False, True, False, False]
    texts.put(1, b"y" * 40)
    assert texts.get(1) == b"y" * 40
    assert len(texts) == 3
    texts.put("large", b"x" * 101)
    assert texts.get("large") is None
    assert len(texts) == 3  # the others stay


def _cifar10() -> Any:
    from acorn.datasets import get_dataset

    return get_dataset("cifar10")
