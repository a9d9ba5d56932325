"""The whole server with a real bundle and real features: what it answers, what it refuses."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from acorn.datasets import get_dataset
from acorn.features.descriptions import OTHER
from acorn.schemas.prediction import PredictResponse
from acorn.spaces import get_space
from tests.service.in_process import in_process
from tests.service.servers import ROOT, Requests, Server, serving
from tests.service.small_forest import SmallForest


@pytest.fixture(scope="module")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    with in_process(tmp_path_factory.mktemp("server"), small.folder, None) as server:
        server.until_ready()
        yield server


@pytest.fixture(scope="module")
def process(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server process, for what it does to memory."""
    with serving(tmp_path_factory.mktemp("process"), small.folder) as server:
        server.until_ready()
        yield server


@pytest.fixture
def client(server: Requests) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def spec(cell: str) -> dict[str, Any]:
    return {"space": "nats_tss", "arch": cell}


def predict(client: httpx.Client, *cells: str, **fields: object) -> dict[str, Any]:
    body = {"architectures": [spec(cell) for cell in cells], **fields}
    response = client.post("/predict", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def refused(response: httpx.Response, status: int) -> dict[str, Any]:
    """Check that an answer is a problem of this status, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert "\n" not in problem["detail"]
    return problem


def pointers(problem: dict[str, Any]) -> list[str]:
    return [item["pointer"] for item in problem["errors"]]


def test_health(client: httpx.Client, small: SmallForest) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    ready = client.get("/health/ready").json()
    assert ready["status"] == "ready"
    assert ready["forests"] == [small.name]
    assert ready["workers"]["ready"] == ready["workers"]["wanted"] == 1


def test_a_cell_of_the_table_is_answered_in_full(client: httpx.Client, small: SmallForest) -> None:
    cell = small.known[0]
    answer = predict(client, cell)
    PredictResponse.model_validate(answer)
    assert answer["forest"]["name"] == small.name
    percent = {"unit": "percent", "better": "higher", "scale": "linear"}
    assert answer["target_details"] == dict.fromkeys(small.targets, percent)
    assert client.get(f"/forests/{small.name}").json()["target_details"] == answer["target_details"]
    (prediction,) = answer["predictions"]
    assert prediction["space"] == "nats_tss"
    assert prediction["id"] == small.id(cell)
    assert list(prediction["targets"]) == list(small.targets)
    for target in prediction["targets"].values():
        assert 0.0 <= target["lower"] <= target["value"] <= target["upper"] <= 100.0
    assert prediction["feature_source"] == "table"
    assert list(prediction["features"]) == list(small.features)
    assert prediction["in_domain"] is True
    assert prediction["seconds"]["features"] == 0.0
    for target in small.targets:
        importances = [each["importance"] for each in answer["importances"][target]]
        assert importances == sorted(importances, reverse=True)
        assert max(importances) > 0.0


def test_targets_and_interval_are_as_wanted(client: httpx.Client, small: SmallForest) -> None:
    target = small.targets[-1]
    narrow = predict(client, small.known[0], targets=[target, target], interval=0.5)
    wide = predict(client, small.known[0], targets=[target], interval=0.99)
    assert list(narrow["predictions"][0]["targets"]) == [target]
    assert list(narrow["importances"]) == [target]
    (a, b) = (answer["predictions"][0]["targets"][target] for answer in (narrow, wide))
    assert a["value"] == b["value"]
    assert b["upper"] - b["lower"] > a["upper"] - a["lower"]


@pytest.mark.parametrize("explain", ["path", "shap"])
def test_contributions_add_up(client: httpx.Client, small: SmallForest, explain: str) -> None:
    response = predict(client, small.known[1], explain=explain)
    details = response["feature_details"]
    assert details.keys() == {*small.features}
    assert details["params"]["group"] == "Size"
    (prediction,) = response["predictions"]
    for target in small.targets:
        contributions = [each["contribution"] for each in prediction["attributions"][target]]
        total = prediction["baseline"][target] + sum(contributions)
        assert total == pytest.approx(prediction["targets"][target]["value"], abs=1e-6)
        assert [abs(c) for c in contributions] == sorted(map(abs, contributions), reverse=True)
        groups = prediction["attribution_groups"][target]
        assert sum(each["contribution"] for each in groups) == pytest.approx(sum(contributions))
        assert {each["group"] for each in groups} <= {d["group"] for d in details.values()} | {
            OTHER
        }


def test_twins_are_one_function(client: httpx.Client, small: SmallForest) -> None:
    one, other = small.twins
    assert one != other
    first, second = predict(client, one, other)["predictions"]
    space, dataset = get_space("nats_tss"), get_dataset("cifar10")
    for cell, prediction in ((one, first), (other, second)):
        assert prediction.pop("submitted") == asdict(space.cost(cell, dataset))
    assert first == second
    assert first["id"] == small.id(one)


def test_answers_come_in_the_order_of_the_request(client: httpx.Client, small: SmallForest) -> None:
    cells = [small.known[3], small.known[1], small.known[3], small.known[2]]
    answer = predict(client, *cells)
    assert [each["id"] for each in answer["predictions"]] == [small.id(cell) for cell in cells]


def test_a_cell_outside_the_table_is_computed_once_and_then_cached(
    client: httpx.Client, small: SmallForest
) -> None:
    cell = small.unknown[0]
    (computed,) = predict(client, cell)["predictions"]
    (cached,) = predict(client, cell)["predictions"]
    assert computed["feature_source"] == "computed"
    assert computed["seconds"]["features"] > 0.0
    assert cached["feature_source"] == "cache"
    assert cached["features"] == computed["features"]
    assert cached["targets"] == computed["targets"]
    assert computed["features"] == pytest.approx(small.compute(cell))


@pytest.mark.slow
def test_ten_thousand_architectures_are_answered(client: httpx.Client, small: SmallForest) -> None:
    cells = (small.known * 10_000)[:10_000]
    answer = predict(client, *cells)
    assert [each["id"] for each in answer["predictions"]] == [small.id(cell) for cell in cells]


CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
GOOD = {"space": "nats_tss", "arch": CELL}

BAD = {
    "a cell that is none": ({"architectures": [spec("|oops|")]}, ["/architectures/0/arch"]),
    "every bad item": (
        {
            "architectures": [
                spec("x"),
                GOOD,
                {"space": "nats_tss"},
                {"space": "no_space", "arch": "x"},
                {**GOOD, "extra": 1},
                {"space": "nats_tss", "arch": True},
                "text",
                {"space": "nats_tss", "arch": {}},
            ],
            "interval": 2,
        },
        [
            "/architectures/0/arch",
            "/architectures/2/arch",
            "/architectures/3/space",
            "/architectures/4/extra",
            "/architectures/5/arch",
            "/architectures/6",
            "/architectures/7/arch",
            "/interval",
        ],
    ),
    "bad items of several kinds": (
        {
            "architectures": [GOOD, spec("x")],
            "targets": ["clean", "no_target"],
        },
        ["/architectures/1/arch", "/targets/1"],
    ),
    "a space without a forest": (
        {"architectures": [GOOD, {"space": "nats_sss", "arch": "64:64:64:64:64"}]},
        ["/architectures/1/space"],
    ),
    "a dataset without a forest": (
        {"architectures": [GOOD], "dataset": "cifar100"},
        ["/architectures/0/space"],
    ),
    "an unknown dataset": ({"architectures": [GOOD], "dataset": "mnist"}, ["/dataset"]),
    "an unknown forest": ({"architectures": [GOOD], "forest": "f"}, ["/forest"]),
    "an unknown target": ({"architectures": [GOOD], "targets": ["x"]}, ["/targets/0"]),
    "no targets": ({"architectures": [GOOD], "targets": []}, ["/targets"]),
    "no architectures": ({"architectures": []}, ["/architectures"]),
    "an empty object": ({}, ["/architectures"]),
    "a list": ([], [""]),
    "null": (None, [""]),
    "an unknown field": ({"architectures": [GOOD], "a/b~c": 1}, ["/a~1b~0c"]),
    "an interval of one": ({"architectures": [GOOD], "interval": 1}, ["/interval"]),
    "an interval of zero": ({"architectures": [GOOD], "interval": 0.0}, ["/interval"]),
    "an interval in text": ({"architectures": [GOOD], "interval": "0.9"}, ["/interval"]),
    "an interval beyond numbers": ({"architectures": [GOOD], "interval": 10**400}, ["/interval"]),
    "an unknown explanation": ({"architectures": [GOOD], "explain": "lime"}, ["/explain"]),
    "too many architectures": ({"architectures": [GOOD] * 10_001}, ["/architectures"]),
}


@pytest.mark.parametrize(("body", "wrong"), BAD.values(), ids=BAD.keys())
def test_bad_items_are_pointed_at(client: httpx.Client, body: object, wrong: list[str]) -> None:
    headers = {"content-type": "application/json"}
    problem = refused(client.post("/predict", content=json.dumps(body), headers=headers), 422)
    assert sorted(pointers(problem)) == wrong
    assert all(item["detail"] and "\n" not in item["detail"] for item in problem["errors"])


def test_a_huge_bad_value_is_not_echoed(client: httpx.Client) -> None:
    response = client.post("/predict", json={"architectures": [spec("x" * 1_000_000)]})
    refused(response, 422)
    assert len(response.content) < 1_000


def test_nan_is_pointed_at(client: httpx.Client) -> None:
    body = json.dumps({"architectures": [GOOD], "interval": float("nan")})
    headers = {"content-type": "application/json"}
    problem = refused(client.post("/predict", content=body, headers=headers), 422)
    assert pointers(problem) == ["/interval"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": 1,}'])
def test_broken_json(client: httpx.Client, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    refused(client.post("/predict", content=body, headers=headers), 400)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_other_media_types(client: httpx.Client, headers: dict[str, str]) -> None:
    refused(client.post("/predict", content=b"{}", headers=headers), 415)


def test_addresses_and_methods_that_are_not_served(client: httpx.Client) -> None:
    refused(client.get("/nothing"), 404)
    refused(client.get("/forests/nothing"), 404)
    problem = client.get("/predict")
    refused(problem, 405)
    assert problem.headers["allow"] == "POST"


def peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.slow
def test_a_huge_body_is_refused_and_not_held(process: Server, chunked: bool) -> None:
    mebibyte = b" " * 2**20
    before = peak_memory(process.pid)
    content = (mebibyte for _ in range(50)) if chunked else mebibyte * 50
    headers = {"content-type": "application/json"}
    refused(process.post("/predict", content=content, headers=headers), 413)
    assert peak_memory(process.pid) - before < 24 * 2**20
    assert process.says("live")


def test_forests_and_spaces_are_listed(client: httpx.Client, small: SmallForest) -> None:
    listing = client.get("/forests").json()
    assert [forest["name"] for forest in listing["forests"]] == [small.name]
    assert listing["refused"] == []
    detail = client.get(f"/forests/{small.name}").json()
    assert detail["targets"] == list(small.targets)
    assert detail["feature_names"] == list(small.features)
    assert detail["table_rows"] == len(small.known)
    spaces = client.get("/spaces").json()
    by_name = {space["name"]: space for space in spaces["spaces"]}
    assert by_name["nats_tss"]["forests"] == [small.name]
    assert by_name["nats_tss"]["size"] == 15_625
    assert by_name["nats_sss"]["forests"] == []
    assert spaces["limits"]["max_architectures"] == 10_000


def test_the_openapi_document_says_all(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    post = document["paths"]["/predict"]["post"]
    statuses = {"200", "400", "401", "413", "415", "422", "429", "500", "503", "504"}
    assert set(post["responses"]) == statuses | {"default"}
    for status in statuses - {"200"} | {"default"}:
        assert list(post["responses"][status]["content"]) == ["application/problem+json"]
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for reference in {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}:
        assert reference in schemas
    assert "HTTPValidationError" not in schemas
    assert schemas["PredictRequest"]["required"] == ["architectures"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_torch_lives_in_the_workers_alone(process: Server) -> None:
    assert "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text()
    (worker,) = process.workers()
    assert "libtorch" in Path(f"/proc/{worker}/maps").read_text()


@pytest.mark.slow
def test_a_table_prediction_imports_no_torch(small: SmallForest, tmp_path: Path) -> None:
    script = (
        "import sys; from training.commands.main import run; "
        f"code = run(['predict', '--space', 'nats_tss', '--arch', {small.known[0]!r}, '--json', "
        f"'--forests', {str(small.folder)!r}, '--var', {str(tmp_path)!r}]); "
        "import service.http.app; print(code, 'torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
    assert done.stderr.split() == [b"0", b"False"]
    PredictResponse.model_validate_json(done.stdout)


def test_computed_features_outlive_the_server_and_are_shared(
    client: httpx.Client, server: Requests, small: SmallForest, tmp_path: Path
) -> None:
    cell = small.unknown[1]
    (computed,) = predict(client, cell)["predictions"]
    store = f"sqlite:///{server.folder / 'var' / 'features.sqlite'}"
    with (
        in_process(tmp_path, small.folder, None, database_url=store) as other,
        other.client() as other_client,
    ):
        (cached,) = predict(other_client, cell)["predictions"]
    assert cached["feature_source"] == "cache"
    assert cached["targets"] == computed["targets"]


def test_without_a_sound_forest_the_server_is_live_and_not_ready(
    small: SmallForest, tmp_path: Path
) -> None:
    broken = tmp_path / "forests" / small.name
    broken.mkdir(parents=True)
    for file in (small.folder / small.name).iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "manifest.json").write_text("{}")
    with (
        in_process(tmp_path, tmp_path / "forests", None) as server,
        server.client() as client,
    ):
        problem = refused(client.get("/health/ready"), 503)
        assert "no verified forest" in problem["detail"]
        (bundle,) = client.get("/forests").json()["refused"]
        assert bundle["name"] == small.name
        assert bundle["reason"]
        response = client.post("/predict", json={"architectures": [GOOD]})
        refused(response, 503)
        assert int(response.headers["retry-after"]) > 0
