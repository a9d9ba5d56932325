"""Predictions through the client, of either kind: one, many, any number, and data frames."""

import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from acorn.client import NotFound, TooLarge, ValidationProblem, specs_of
from acorn.errors import InputError
from acorn.schemas.prediction import ArchitectureSpec, PredictResponse
from acorn.spaces import get_space
from tests.client.conftest import KEY, MOST, Kind
from tests.service.servers import Server
from tests.service.small_forest import SmallForest


def test_one_architecture_in_every_form(client: Any, small: SmallForest) -> None:
    cell = small.known[0]
    spec = {"space": "nats_tss", "arch": cell}
    answers = [
        client.predict(cell, space="nats_tss"),
        client.predict(spec),
        client.predict([spec]),
        client.predict(ArchitectureSpec(space="nats_tss", arch=cell)),
        client.predict(each for each in [spec]),
    ]
    for answer in answers:
        assert isinstance(answer, PredictResponse)
        assert answer.forest.name == small.name
        (prediction,) = answer.predictions
        assert prediction.id == small.id(cell)
        assert prediction.targets == answers[0].predictions[0].targets


def test_options_reach_the_server(client: Any, small: SmallForest) -> None:
    cells = small.known[:3]
    answer = client.predict(
        cells, space="nats_tss", dataset="cifar10", targets="clean", interval=0.5,
        explain="path", features=False, forest=f"{small.name}@0.0.1",
    )  # fmt: skip
    assert [each.id for each in answer.predictions] == [small.id(cell) for cell in cells]
    first = answer.predictions[0]
    assert list(first.targets) == list(first.attributions) == ["clean"]
    assert first.features == {}
    wide = client.predict(cells[0], space="nats_tss", targets=["clean"], interval=0.9)
    narrow, wide = first.targets["clean"], wide.predictions[0].targets["clean"]
    assert narrow.upper - narrow.lower < wide.upper - wide.lower
    with pytest.raises(TypeError, match="target"):
        client.predict(cells, space="nats_tss", target="clean")


def test_what_is_no_architecture_is_not_sent(client: Any) -> None:
    for architecture in (True, 1.5, None, [True], [None], [1, 2.5]):
        with pytest.raises(InputError, match="as an architecture"):
            client.predict(architecture, space="nats_sss")
    for wrong in (3, [None], {"space": "nats_tss"}, "|oops|", [["nats_tss", "x"]]):
        with pytest.raises(InputError, match="as an architecture"):
            client.predict(wrong)
    with pytest.raises(InputError, match="not JSON"):
        client.predict({"space": "graph", "arch": {"layers": {1, 2}}})


def test_every_bad_item_by_its_pointer(client: Any, small: SmallForest) -> None:
    with pytest.raises(ValidationProblem) as caught:
        client.predict(
            [small.known[0], "|oops|", ""], space="nats_tss", targets=["clean", "nothing"]
        )
    errors = caught.value.errors
    assert {*errors} == {"/architectures/1/arch", "/architectures/2/arch", "/targets/1"}
    assert "nothing" in errors["/targets/1"]
    assert caught.value.status == 422
    assert len(caught.value.request_id) > 8
    assert "\n" not in str(caught.value)


def test_lists_of_any_length(client: Any, small: SmallForest) -> None:
    cells = [*small.known, *small.unknown[1:9]] * 3
    predictions = [*client.iter_predict(cells, space="nats_tss", targets=["clean"])]
    assert [each.id for each in predictions] == [small.id(cell) for cell in cells]
    assert [*client.iter_predict([], space="nats_tss")] == []
    explained = [*client.iter_predict(small.known[:25], space="nats_tss", explain="path")]
    assert all(each.attributions for each in explained)


def test_lists_are_read_as_they_are_needed(client: Any, small: SmallForest) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield small.known[read % 48]

    predictions = client.iter_predict(endless(), space="nats_tss")
    for expected in range(1, 20):
        assert next(predictions).id == small.id(small.known[expected % 48])
    predictions.close()
    assert read <= 6 * MOST


def test_pointers_count_from_the_beginning_of_the_list(client: Any, small: SmallForest) -> None:
    cells = [*small.known[:40], "|oops|", *small.known[:4]]
    predictions = client.iter_predict(cells, space="nats_tss")
    with pytest.raises(ValidationProblem) as caught:
        list(predictions)
    assert [*caught.value.errors] == ["/architectures/40/arch"]
    assert "/architectures/40/arch" in str(caught.value)


def test_a_request_never_has_more_bytes_than_the_server_takes(
    client: Any, small: SmallForest
) -> None:
    cells = [cell + " " * 600 for cell in small.known[:MOST]]
    with pytest.raises(TooLarge):
        client.predict(cells, space="nats_tss")
    assert len([*client.iter_predict(cells, space="nats_tss")]) == MOST
    with pytest.raises(TooLarge):  # one alone
        list(client.iter_predict([small.known[0], " " * 9_000], space="nats_tss"))


def test_what_there_is_to_ask_for(client: Any, small: SmallForest) -> None:
    assert client.spaces().limits.max_architectures == MOST
    assert [forest.name for forest in client.forests().forests] == [small.name]
    assert client.forest(small.name).feature_names == list(small.features)
    assert client.forest(f"{small.name}@0.0.1").version == "0.0.1"
    for name in ("nothing", "a/b?c#d"):
        with pytest.raises(NotFound):
            client.forest(name)
    assert client.health().status == "ready"
    assert client.live().status == "live"


def frame_of(small: SmallForest) -> pl.DataFrame:
    cells = small.known[:20]
    return pl.DataFrame({"note": range(20), "arch": cells, "space": ["nats_tss"] * 20})


def test_frames_in_and_out(client: Any, small: SmallForest) -> None:
    frame = frame_of(small)
    found = client.predict_frame(frame, interval=0.5)
    assert found.columns == [
        *("space", "arch", "id"),
        *(f"{target}{part}" for target in small.targets for part in ("", ".lower", ".upper")),
        *("in_domain", "domain_score"),
    ]  # fmt: skip
    assert_frame_equal(found.select("space", "arch"), frame.select("space", "arch"))
    answer = client.predict(small.known[:16], space="nats_tss", interval=0.5)
    for row, each in zip(found.iter_rows(named=True), answer.predictions, strict=False):
        assert row["id"] == each.id
        assert row["clean"] == each.targets["clean"].value
        assert row["pgd_linf_1.0.upper"] == each.targets["pgd_linf_1.0"].upper
        assert row["in_domain"] is each.in_domain
    assert client.predict_frame(frame.head(0)).is_empty()


def test_frames_of_pandas_keep_their_index(client: Any, small: SmallForest) -> None:
    pd = pytest.importorskip("pandas")
    frame = frame_of(small)
    given = pd.DataFrame(frame.to_dict(as_series=False), index=range(100, 120))
    found = client.predict_frame(given)
    assert isinstance(found, pd.DataFrame)
    assert list(found.index) == list(given.index)
    assert list(found["clean"]) == client.predict_frame(frame)["clean"].to_list()


def test_what_is_wrong_with_a_frame_is_said_of_its_row(client: Any, small: SmallForest) -> None:
    frame = frame_of(small)
    with pytest.raises(InputError, match="expected space as well"):
        client.predict_frame(frame.drop("space"))
    with pytest.raises(InputError, match="row 19"):
        client.predict_frame(frame.with_columns(pl.col("arch").shift(-1)))
    with pytest.raises(InputError, match="expected a data frame"):
        client.predict_frame([{"space": "nats_tss"}])
    odd = frame.with_columns(
        space=pl.when(pl.col("note") < 4).then(pl.lit("nats_sss")).otherwise("space"),
        arch=pl.when(pl.col("note") == 18).then(pl.lit("|oops|")).otherwise("arch"),
    )
    with pytest.raises(ValidationProblem) as caught:
        client.predict_frame(odd.tail(16))
    assert [*caught.value.errors] == ["/architectures/14/arch"]


def test_integers_and_lists_are_architectures(client: Any) -> None:
    for one in (
        client.predict(1462, space="nats_tss"),
        client.predict({"space": "nats_tss", "arch": 1462}),
    ):
        assert [each.id for each in one.predictions] == [get_space("nats_tss").parse(1462).id]
    numbers = [[4, 0, 3, 1, 4, 3], [2, 2, 2, 2, 2, 2]]
    found = client.predict(numbers, space="nats_tss", dataset="CIFAR-10")
    expected = [get_space("nats_tss").parse(each).id for each in numbers]
    assert [each.id for each in found.predictions] == expected
    assert [each.id for each in client.iter_predict(range(3), space="nats_tss")] == [
        get_space("nats_tss").parse(i).id for i in range(3)
    ]
    frame = pl.DataFrame({"space": ["nats_tss"] * 2, "arch": numbers})
    assert client.predict_frame(frame)["id"].to_list() == expected


@pytest.mark.parametrize("wrong", [[64, 64, 64, 64, 64], (64, 64), [1462]])
def test_integers_that_may_be_one_or_many_are_refused(client: Any, wrong: object) -> None:
    with pytest.raises(InputError, match="expected a list of lists, or indices as text"):
        client.predict(wrong, space="nats_sss")


def test_a_frame_of_integers_or_lists_is_read() -> None:
    for values in ([3, 4], [[64] * 5, [8] * 5]):
        frame = pl.DataFrame({"space": ["nats_sss"] * 2, "arch": values})
        assert [spec.arch for spec in specs_of(frame)] == values
    for wrong in ([True, False], [1.5, 2.5], [None, None]):
        with pytest.raises(InputError, match="row 0; expected a space as text"):
            specs_of(pl.DataFrame({"space": ["nats_sss"] * 2, "arch": wrong}))


def test_a_frame_may_hold_graphs() -> None:
    graph = {"layers": [{"op": "conv"}]}
    frame = pl.DataFrame({"space": ["graph"], "arch": [json.dumps(graph)]})
    assert specs_of(frame) == [ArchitectureSpec(space="graph", arch=graph)]
    with pytest.raises(InputError, match="row 0"):
        specs_of(frame.with_columns(arch=pl.lit("{")))


def test_the_environment_says_where_the_server_is(
    server: Server, small: SmallForest, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACORN_URL", f"{server.url}/")
    monkeypatch.setenv("ACORN_API_KEY", KEY)
    with kind() as client:
        assert client.forests().forests[0].name == small.name
    for wrong in ("localhost:8000", "ftp://x", "http://", "x"):
        with pytest.raises(InputError, match="expected http"):
            kind(wrong)
