"""The Open Inference Protocol on feature vectors, against a real server."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from acorn.forests import Bundle
from service.http.middleware.keys import hash_line, new_key
from tests.service.in_process import quick_app
from tests.service.quick_servers import ask
from tests.service.servers import Requests
from tests.service.small_forest import SmallForest


@pytest.fixture(scope="module")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    with quick_app(tmp_path_factory.mktemp("inference"), small) as server:
        yield server


@pytest.fixture(scope="module")
def bundle(small: SmallForest) -> Bundle:
    return Bundle.load(small.folder / small.name)


def rows(bundle: Bundle, small: SmallForest, n: int) -> list[list[float | None]]:
    found = [bundle.table.row(small.id(cell)) for cell in small.known[:n]]
    return [[row.values[name] for name in small.features] for row in found if row is not None]


def infer(
    server: Requests, small: SmallForest, data: object, n: int, **fields: object
) -> httpx.Response:
    tensor = {
        "name": "features",
        "datatype": "FP64",
        "shape": [n, len(small.features)],
        "data": data,
    }
    url = f"/v2/models/{small.name}/infer"
    return server.post(url, json={"inputs": [tensor], **fields})


def test_what_there_is(server: Requests, small: SmallForest) -> None:
    def get(path: str) -> dict[str, Any]:
        response = server.get(f"/v2{path}")
        assert response.status_code == 200
        found: dict[str, Any] = response.json()
        return found

    assert get("")["name"] == "acorn"
    assert get("")["extensions"] == []
    assert get("/health/live") == {"live": True}
    assert get("/health/ready") == {"ready": True}
    info = get(f"/models/{small.name}")
    assert info == get(f"/models/{small.name}/versions/0.0.1")
    assert info["versions"] == ["0.0.1"]
    assert info["inputs"] == [
        {"name": "features", "datatype": "FP32", "shape": [-1, len(small.features)]}
    ]
    names = [output["name"] for output in info["outputs"]]
    assert names[:3] == ["clean", "clean.lower", "clean.upper"]
    assert info["parameters"]["features"] == list(small.features)
    for path in ("", "/versions/0.0.1"):
        ready = get(f"/models/{small.name}{path}/ready")
        assert ready == {"name": small.name, "ready": True}


@pytest.mark.parametrize("nested", [False, True])
def test_predictions_are_the_bundle_s_own(
    server: Requests, small: SmallForest, bundle: Bundle, nested: bool
) -> None:
    data = rows(bundle, small, 5)
    data[3][1] = None
    X = np.array(data, dtype=np.float64).astype(np.float32)
    expected = bundle.predict(X, interval=0.5)
    sent = data if nested else [value for row in data for value in row]
    answer = infer(server, small, sent, 5, parameters={"interval": 0.5}, id="7").json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (
        small.name,
        "0.0.1",
        "7",
    )
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert len(outputs) == 3 * len(small.targets)
    for target in small.targets:
        for suffix, part in (("", "value"), (".lower", "lower"), (".upper", "upper")):
            output = outputs[target + suffix]
            assert (output["shape"], output["datatype"]) == ([5], "FP64")
            assert output["data"] == getattr(expected[target], part).tolist()


def test_the_same_as_predict_says(server: Requests, small: SmallForest, bundle: Bundle) -> None:
    answer = infer(server, small, rows(bundle, small, 1), 1).json()
    (prediction,) = ask(server, small.known[0]).json()["predictions"]
    assert {output["name"]: output["data"] for output in answer["outputs"]} == {
        target: [each["value"]] for target, each in prediction["targets"].items()
    }


def test_outputs_by_name(server: Requests, small: SmallForest, bundle: Bundle) -> None:
    wanted = ["pgd_linf_1.0.upper", "clean"]
    outputs = [{"name": name, "parameters": {"binary_data": False}} for name in wanted]
    answer = infer(server, small, rows(bundle, small, 2), 2, outputs=outputs).json()
    assert [output["name"] for output in answer["outputs"]] == wanted


def bad(n: int, **change: object) -> dict[str, Any]:
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, n], "data": [0.0] * n}
    return {"inputs": [{**tensor, **change}]}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "x"}, "/inputs/0/name"),
        ({"datatype": "BYTES"}, "/inputs/0/datatype"),
        ({"shape": [1]}, "/inputs/0/shape"),
        ({"shape": []}, "/inputs/0/shape"),
        ({"shape": [1, 1]}, "/inputs/0/shape"),
        ({"shape": [0, None]}, "/inputs/0/shape"),
        ({"shape": [-1, None]}, "/inputs/0/shape"),
        ({"shape": [10**12, None]}, "/inputs/0/shape"),
        ({"shape": [2, None]}, "/inputs/0/data"),
        ({"shape": [True, None]}, "/inputs/0/shape/0"),
        ({"data": []}, "/inputs/0/data"),
        ({"data": ["1"]}, "/inputs/0/data"),
        ({"data": [[1.0], [2.0]]}, "/inputs/0/data"),
        ({"data": [[[1.0]]]}, "/inputs/0/data"),
        ({"data": 5}, "/inputs/0/data"),
        ({"extra": 5}, "/inputs/0/extra"),
    ],
)
def test_bad_tensors_are_pointed_at(
    server: Requests, small: SmallForest, change: dict[str, Any], pointer: str
) -> None:
    n = len(small.features)
    if "shape" in change:
        change["shape"] = [n if each is None else each for each in change["shape"]]
    body = bad(n, **change)
    refuses(server, small, body, pointer)


@pytest.mark.parametrize("value", ["1", True, [], {}, [[None]]])
def test_what_is_no_number_is_refused(server: Requests, small: SmallForest, value: object) -> None:
    n = len(small.features)
    refuses(server, small, bad(n, data=[value] + [0.0] * (n - 1)), "/inputs/0/data")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"parameters": {"interval": 1.0}}, "/parameters/interval"),
        ({"parameters": {"interval": "wide"}}, "/parameters/interval"),
        ({"outputs": [{"name": "clean"}, {"name": "none"}]}, "/outputs/1/name"),
        ({"outputs": [{"name": "clean.middle"}]}, "/outputs/0/name"),
        ({"outputs": [{"name": ".lower"}]}, "/outputs/0/name"),
        ({"outputs": []}, "/outputs"),
        ({"inputs": []}, "/inputs"),
    ],
)
def test_bad_fields_are_pointed_at(
    server: Requests, small: SmallForest, fields: dict[str, Any], pointer: str
) -> None:
    refuses(server, small, {**bad(len(small.features)), **fields}, pointer)


def refuses(server: Requests, small: SmallForest, body: object, pointer: str) -> None:
    url = f"/v2/models/{small.name}/infer"
    headers = {"content-type": "application/json"}
    response = server.post(url, content=json.dumps(body), headers=headers)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert pointer in [item["pointer"] for item in problem["errors"]]
    assert problem["error"] == problem["detail"]


def test_numbers_beyond_float32_are_its_ends(
    server: Requests, small: SmallForest, bundle: Bundle
) -> None:
    n = len(small.features)
    huge = infer(server, small, [1e308, -1e308] * n, 2).json()
    assert huge["outputs"] == infer(server, small, [3.5e38, -3.5e38] * n, 2).json()["outputs"]


def test_a_forest_that_is_not_there(server: Requests, small: SmallForest) -> None:
    for path in (
        "none",
        "none/ready",
        f"{small.name}/versions/9",
        f"{small.name}/versions/9/ready",
    ):
        response = server.get(f"/v2/models/{path}")
        assert response.status_code == 404
        assert "expected one of" in response.json()["error"]
    response = server.post("/v2/models/none/infer", json={})
    assert response.status_code == 404


def test_probes_of_the_protocol_need_no_key(small: SmallForest, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("guarded")
    with quick_app(folder, small, api_keys=hash_line("one", new_key())) as server:
        assert server.get("/v2/health/ready").status_code == 200
        response = server.get(f"/v2/models/{small.name}")
        assert response.status_code == 401
        assert response.json()["error"]


def test_every_status_of_a_route_has_an_example(server: Requests) -> None:
    document = server.get("/openapi.json").json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                if status == "default" or int(status) < 400:
                    continue
                content = response["content"]["application/problem+json"]
                assert content["example"]["status"] == int(status), (path, method)
                assert content["example"]["detail"] != "..."
                if status in ("429", "503"):
                    assert "Retry-After" in response["headers"]
            guarded = not path.startswith(("/health/", "/v2/health/"))
            assert ("429" in operation["responses"]) or not guarded
    infer = document["paths"]["/v2/models/{forest}/infer"]["post"]
    assert set(infer["responses"]) >= {"200", "400", "401", "404", "413", "415", "422", "429"}
    assert "InferRequest" in document["components"]["schemas"]
    reload = document["paths"]["/admin/reload"]["post"]
    assert reload["security"] == [{"key": []}, {"bearer": []}]
