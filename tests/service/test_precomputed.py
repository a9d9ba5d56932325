"""What is worked out ahead is, in every bit, what asking gives."""

import asyncio
import json
import threading
from typing import Any

import numpy as np
import pytest

from service.prediction.predictor import Predictor
from service.prediction.responses.precomputed import INTERVAL
from service.repository.model_repository import ModelRepository
from service.repository.served_bundle import ServedBundle
from tests.service.small_forest import SmallForest


@pytest.fixture
def forest(small: SmallForest) -> ServedBundle:
    (forest,) = ModelRepository(small.folder).snapshot
    return forest


def work_out(forest: ServedBundle) -> None:
    assert forest.precomputed.start()
    assert not forest.precomputed.start()
    forest.precomputed.compute(threading.Event())


def test_every_bit_is_that_of_a_row_of_its_own(forest: ServedBundle) -> None:
    ids, targets = forest.bundle.table.ids, forest.targets
    assert forest.precomputed.find(ids, targets, INTERVAL) is None
    work_out(forest)
    rows = {id_: row for id_ in ids if (row := forest.bundle.table.row(id_)) is not None}
    for id_ in ids:
        X = forest.bundle.matrix([rows[id_]])
        found = forest.precomputed.find([id_], targets, INTERVAL)
        assert found is not None
        assert found.predicted == forest.bundle.predict(X, interval=INTERVAL)
        assert (found.in_domain, found.score) == forest.bundle.outliers(X, [id_])
    some = forest.precomputed.find(ids[7:3:-1], ["pgd_linf_1"], INTERVAL)
    assert some is not None
    X = forest.bundle.matrix([rows[id_] for id_ in ids[7:3:-1]])
    expected = forest.bundle.predict(X, targets=["pgd_linf_1"], interval=INTERVAL)
    assert [*some.predicted] == ["pgd_linf_1"]
    for got, wanted in zip(some.predicted["pgd_linf_1"], expected["pgd_linf_1"], strict=True):
        assert np.array_equal(got, wanted)


def test_what_is_not_there_is_not_made_up(forest: ServedBundle, small: SmallForest) -> None:
    work_out(forest)
    known, unknown = small.id(small.known[0]), small.id(small.unknown[0])
    find = forest.precomputed.find
    assert find([known], forest.targets, INTERVAL) is not None
    assert find([known, unknown], forest.targets, INTERVAL) is None
    assert find([known], forest.targets, 0.8) is None


def test_it_can_be_ended_early(forest: ServedBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.prediction.responses.precomputed.BLOCK_ROWS", 8)
    ended = threading.Event()
    ended.set()
    assert forest.precomputed.start()
    forest.precomputed.compute(ended)
    ids = forest.bundle.table.ids
    assert forest.precomputed.find(ids[:8], forest.targets, INTERVAL) is not None
    assert forest.precomputed.find(ids[8:9], forest.targets, INTERVAL) is None


class NoCache:
    async def find(self, _ids: object, _recipe: object) -> dict[str, Any]:
        return {}


def test_answers_are_the_same_before_and_after(small: SmallForest) -> None:
    def answers(*, ahead: bool) -> list[dict[str, Any]]:
        """Ask a new predictor, which has no texts, for every cell and then for several at once."""
        forests = ModelRepository(small.folder)
        if ahead:
            work_out(next(iter(forests.snapshot)))
        predictor = Predictor(
            forests,
            NoCache(),  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            max_architectures=100,
            max_explanations=100,
        )

        async def ask(*cells: str, **fields: object) -> dict[str, Any]:
            specs = [{"space": "nats_tss", "arch": cell} for cell in cells]
            plan = await predictor.plan({"architectures": specs, **fields})
            answer: dict[str, Any] = json.loads(await predictor.respond(plan))
            for prediction in answer["predictions"]:
                del prediction["seconds"]
                if len(cells) > 1:  # distances of several rows at once round otherwise
                    del prediction["domain_score"]
            return answer

        async def scenario() -> list[dict[str, Any]]:
            singly = [await ask(cell) for cell in small.known]
            return [
                *singly,
                await ask(*small.known[:9], explain="path", features=False),
                await ask(small.known[3], targets=["clean"], interval=0.5),
            ]

        try:
            return asyncio.run(scenario())
        finally:
            predictor.close()

    assert answers(ahead=True) == answers(ahead=False)


def test_a_table_is_worked_out_once_it_is_asked_for(small: SmallForest) -> None:
    forests = ModelRepository(small.folder)
    (forest,) = forests.snapshot
    predictor = Predictor(
        forests,
        NoCache(),  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        max_architectures=100,
        max_explanations=100,
        precompute=True,
    )

    async def scenario() -> None:
        spec = {"space": "nats_tss", "arch": small.known[0]}
        await predictor.respond(await predictor.plan({"architectures": [spec]}))
        async with asyncio.timeout(30):
            ids = forest.bundle.table.ids
            while forest.precomputed.find(ids, forest.targets, INTERVAL) is None:
                await asyncio.sleep(0.01)

    asyncio.run(scenario())
    predictor.close()
