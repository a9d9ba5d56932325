"""Explanations by other architectures: similar ones, and the best one that is one edit away."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from acorn.schemas.prediction import MOST_RELATED, PredictResponse
from acorn.spaces import get_space
from acorn.spaces.nats_tss.cell import parse_cell
from tests.service.in_process import quick_app
from tests.service.small_forest import SmallForest


@pytest.fixture(scope="module")
def client(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with quick_app(tmp_path_factory.mktemp("server"), small) as server, server.client() as client:
        yield client


def predict(client: httpx.Client, *cells: str, **options: object) -> list[dict[str, Any]]:
    specs = [{"space": "nats_tss", "arch": cell} for cell in cells]
    response = client.post("/predict", json={"architectures": specs, **options})
    assert response.status_code == 200, response.text
    PredictResponse.model_validate(response.json())
    predictions: list[dict[str, Any]] = response.json()["predictions"]
    return predictions


def test_the_nearest_are_others_of_the_training_data(
    client: httpx.Client, small: SmallForest
) -> None:
    trained_on = {small.id(cell) for cell in small.known}
    for prediction in predict(client, small.known[0], small.unknown[0], explain="path"):
        nearest = prediction["nearest"]
        ids = [each["id"] for each in nearest]
        assert len({*ids}) == 3
        assert {*ids} <= trained_on - {prediction["id"]}
        distances = [each["distance"] for each in nearest]
        assert distances == sorted(distances)
        assert all(0 < distance <= 1 for distance in distances)
        assert all(each["labelled"] for each in nearest)
        alone = predict(client, *(each["arch"] for each in nearest))
        assert [each["predicted"] for each in nearest] == [each["targets"] for each in alone]


def test_the_best_change_is_one_edit_away_and_predicted_as_by_itself(
    client: httpx.Client, small: SmallForest
) -> None:
    values = {each["id"]: each["targets"] for each in predict(client, *small.known)}
    suggested = 0
    for prediction in predict(client, *small.known, explain="path"):
        id_, cell, changes = prediction["id"], prediction["arch"], prediction["changes"]
        neighbours = {small.id(each.arch) for each in get_space("nats_tss").neighbours(cell)}
        compared = [values[each] for each in (neighbours - {id_}) & values.keys()]
        assert changes["neighbours"] == len(neighbours - {id_})
        assert changes["compared"] == len(compared)
        # Its forest reads proxies, which the table has of few neighbours.
        missing = changes["neighbours"] - len(compared)
        assert f"{missing} of {changes['neighbours']}" in changes["reason"]
        assert {*changes["best"]} == ({*small.targets} if compared else set())
        for target, change in changes["best"].items():
            best = max(each[target]["value"] for each in compared)
            own = prediction["targets"][target]["value"]
            if change is None:
                assert best <= own
                continue
            suggested += 1
            pairs = zip(parse_cell(change["arch"]), parse_cell(cell), strict=True)
            assert sum(after != before for after, before in pairs) == 1
            assert change["value"] == best > own
            (alone,) = predict(client, change["arch"], targets=[target])
            assert alone["id"] == change["id"]
            assert alone["targets"][target].items() <= change.items()
    assert suggested > 0


def test_percentiles_of_proxies_are_those_of_the_table(
    client: httpx.Client, small: SmallForest
) -> None:
    predictions = predict(client, *small.known, explain="path")
    one_of_each = {each["id"]: each for each in predictions}.values()
    known = [each["features"]["synflow"] for each in one_of_each]
    values = [value for value in known if value is not None]
    assert len({*values}) > 10
    for prediction, value in zip(one_of_each, known, strict=True):
        found = prediction["proxy_percentiles"]
        assert "params" in found
        if value is None:
            assert "synflow" not in found
            continue
        below, equal = sum(other < value for other in values), values.count(value)
        assert found["synflow"] == {
            "value": value,
            "percentile": pytest.approx(100 * (below + equal / 2) / len(values)),
            "rows": len(values),
        }
    (computed,) = predict(client, small.unknown[0], explain="path")
    assert computed["proxy_percentiles"] == {}  # the table does not have it


def test_many_architectures_are_explained_without_others(
    client: httpx.Client, small: SmallForest
) -> None:
    cells = (small.known + small.unknown)[: MOST_RELATED + 1]
    many = predict(client, *cells, explain="path", targets=["clean"])
    assert all(each["attributions"] for each in many)
    assert all(each["nearest"] is each["changes"] is None for each in many)
    assert all(each["proxy_percentiles"] is None for each in many)
    (alone,) = predict(client, cells[0], explain="path", targets=["clean"])
    assert alone["nearest"]
    assert alone["changes"]


def test_without_an_explanation_there_are_none(client: httpx.Client, small: SmallForest) -> None:
    (prediction,) = predict(client, small.known[0])
    assert prediction["nearest"] is prediction["changes"] is None
