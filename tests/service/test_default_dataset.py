"""Requests without a dataset, and names that a table has at other image sizes only."""

import importlib.util
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import acorn
from acorn.client.calls import prediction
from acorn.client.requests import encode_all
from acorn.errors import InputError
from tests.service.in_process import FaultyThreads, in_process
from tests.service.jobs_client import JobsClient
from tests.service.servers import Requests
from training.commands.main import run

RELEASED = Path(__file__).parents[2] / "models" / "released"
REAL, WIDTHS = "universal-imagenet1k", "nats_sss-cifar10"
NETWORK = {"space": "timm", "arch": "resnet50"}
CHANNELS = {"space": "nats_sss", "arch": "8:8:8:8:8"}
ELSEWHERE = "aimv2_1b_patch14_336"
"""A name that the table has at one image size, which is not the default."""

needs_no_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is not None, reason="timm computes other image sizes"
)


@pytest.fixture(scope="module")
def forests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("default") / "forests"
    folder.mkdir()
    for name in (REAL, WIDTHS, "universal-cifar10"):
        (folder / name).symlink_to(RELEASED / name)
    return folder


@pytest.fixture(scope="module")
def server(forests: Path) -> Iterator[Requests]:
    factory = FaultyThreads({})  # everything is in a table
    with in_process(forests.parent, forests, factory, workers=1) as server:
        server.until_ready()
        yield server


def forest_of(server: Requests, *specs: dict[str, str], **fields: object) -> str:
    response = server.post("/predict", json={"architectures": specs, **fields})
    assert response.status_code == 200, response.text
    name: str = response.json()["forest"]["name"]
    return name


def test_the_space_gives_the_dataset(server: Requests) -> None:
    assert forest_of(server, NETWORK) == forest_of(server, NETWORK, dataset=None) == REAL
    assert forest_of(server, CHANNELS) == WIDTHS
    datasets = {
        space["name"]: space["datasets"] for space in server.get("/spaces").json()["spaces"]
    }
    assert (datasets["timm"][0], datasets["nats_sss"][0]) == ("imagenet1k", "cifar10")
    response = server.post("/predict", json={"architectures": [CHANNELS, NETWORK]})
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["pointer"] == "/architectures/1/space"
    assert f"got timm, whose forest is {REAL}" in error["detail"]


def test_jobs_maps_and_clients(server: Requests) -> None:
    with JobsClient(server) as client:
        lines = {
            "content": json.dumps(NETWORK),
            "headers": {"Content-Type": "application/x-ndjson"},
        }
        for body in ({"json": {"architectures": [NETWORK]}}, lines):
            response = client.post("/jobs", **body)
            assert response.status_code == 202, response.text
            client.until_done(response.json())
            (line,) = client.lines(response.json())
            assert line["prediction"]["conditions"]["image_size"] == 224
    assert server.get("/spaces/timm/map?y=params").json()["dataset"] == "imagenet1k"
    assert server.get("/spaces/nats_sss/map").json()["dataset"] == "cifar10"
    request = prediction([*encode_all(NETWORK, None)], {})
    response = server.post(request.path, content=request.body, headers=request.headers)
    assert request.read(response.content).forest.name == REAL


def test_the_command_line(forests: Path, tmp_path: Path) -> None:
    output = StringIO()
    with redirect_stdout(output):
        code = run(
            [
                *("predict", "--space", "timm", "--arch", "resnet50", "--json"),
                *("--forests", str(forests), "--var", str(tmp_path)),
            ]
        )
    assert code == 0
    assert json.loads(output.getvalue())["forest"]["name"] == REAL


def test_a_map_under_other_conditions(server: Requests) -> None:
    def points(conditions: str) -> dict[str, Any]:
        query = {"x": "params", "y": "clean", "conditions": conditions}
        response = server.get("/spaces/timm/map", params=query)
        assert response.status_code == 200, response.text
        space_map: dict[str, Any] = response.json()
        return space_map

    usual, more = points(""), points("pretraining=image_text")
    for answer, pretraining in ((usual, "none"), (more, "image_text")):
        assert answer["conditions"]["pretraining"] == pretraining
        assert "image_size" not in answer["conditions"]
    assert usual["points"]["arch"] == more["points"]["arch"]
    assert usual["points"]["x"] == more["points"]["x"]
    assert usual["points"]["y"] != more["points"]["y"]
    one_size = points("image_size=288,pretraining=image_text")
    assert one_size["conditions"] == more["conditions"] | {"image_size": 288}
    assert set(one_size["points"]["image_size"]) == {288}
    place = one_size["points"]["arch"].index("resnet50")
    spec = NETWORK | {"conditions": one_size["conditions"]}
    answer = server.post("/predict", json={"architectures": [spec]}).json()["predictions"][0]
    assert one_size["points"]["y"][place] == pytest.approx(
        answer["targets"]["clean"]["value"], abs=1e-4
    )
    response = server.get("/spaces/timm/map", params={"conditions": "image_size=9,size=1"})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["/query/conditions"] * 2


@needs_no_timm
def test_image_sizes_that_the_table_has(server: Requests) -> None:
    spec: dict[str, Any] = {"space": "timm", "arch": ELSEWHERE}
    message = (
        f"got timm/{ELSEWHERE} at image_size 224; expected 336, which the table of {REAL} has, or "
        "another that can be computed (this needs the package timm, which is not installed "
        "(pip install 'acorn-nas[timm]'))"
    )
    response = server.post("/predict", json={"architectures": [spec]})
    assert response.status_code == 422, response.text
    assert response.json()["errors"] == [{"pointer": "/architectures/0", "detail": message}]
    predictor = acorn.load_bundle(REAL)
    with pytest.raises(InputError) as raised:
        predictor.predict([spec])
    assert str(raised.value) == message
    spec["conditions"] = {"image_size": 336}
    assert forest_of(server, spec) == REAL
    assert predictor.predict([spec])["clean"].value[0] > 50
