"""Spaces without labels: the server, its map and the command line answer with ranks."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from scipy.special import ndtr

from acorn.forests import Bundle
from acorn.forests.released import released_folder
from acorn.spaces import get_space
from tests.service.in_process import in_process
from training.commands.main import run

BUNDLES = ("darts-cifar10", "universal-cifar10")
RANK = {"unit": "percentile", "better": "higher", "scale": "rank"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks") / "forests"
    for name in BUNDLES:
        shutil.copytree(released_folder() / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    with in_process(folder.parent / "server", folder, None) as server:
        server.until_ready()
        with server.client() as client:
            yield client


def predict(client: httpx.Client, architectures: list[dict[str, Any]], **fields: object) -> Any:
    response = client.post("/predict", json={"architectures": architectures, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def test_an_architecture_of_darts_has_its_percentile(client: httpx.Client, folder: Path) -> None:
    ids = Bundle.load(folder / "darts-cifar10").table.ids
    specs = [{"space": "darts", "arch": id_.removeprefix("darts/")} for id_ in ids]
    answer = predict(client, specs, explain="path")
    assert answer["forest"]["name"] == "darts-cifar10"
    assert answer["target_details"] == {"clean": RANK}
    values = sorted(row["targets"]["clean"]["value"] for row in answer["predictions"])
    expected = [100 * (place + 0.5) / len(values) for place in range(len(values))]
    assert max(abs(v - e) for v, e in zip(values, expected, strict=True)) < 8
    assert sum(row["in_domain"] for row in answer["predictions"]) > 0.9 * len(ids)
    for row in answer["predictions"][:5]:
        clean = row["targets"]["clean"]
        assert 0 <= clean["lower"] < clean["value"] < clean["upper"] <= 100
        score = row["baseline"]["clean"] + math.fsum(
            step["contribution"] for step in row["attributions"]["clean"]
        )
        assert 100 * ndtr(score) == pytest.approx(clean["value"])


def test_larger_networks_have_higher_ranks(client: httpx.Client) -> None:
    small, large = (
        "Genotype(normal=[" + ", ".join(f"('{op}', {i % 2})" for i in range(8)) + "], "
        "normal_concat=[2, 3, 4, 5], reduce=["
        + ", ".join(f"('{op}', {i % 2})" for i in range(8))
        + "], reduce_concat=[2, 3, 4, 5])"
        for op in ("skip_connect", "sep_conv_5x5")
    )
    specs = [{"space": "darts", "arch": arch} for arch in (small, large)]
    answer = predict(client, specs)
    values = [row["targets"]["clean"]["value"] for row in answer["predictions"]]
    assert values[0] < 10
    assert values[1] > 90


def test_any_network_is_ranked_in_the_reference_population(client: httpx.Client) -> None:
    graph = json.loads(get_space("graph").example)
    answer = predict(client, [{"space": "graph", "arch": graph}], dataset="cifar10")
    assert answer["forest"]["name"] == "universal-cifar10"
    assert answer["target_details"] == {"clean": RANK}
    assert 0 <= answer["predictions"][0]["targets"]["clean"]["value"] <= 100


def test_lists_and_maps_say_that_values_are_ranks(client: httpx.Client) -> None:
    forests = client.get("/forests").json()["forests"]
    assert [forest["target_details"] for forest in forests] == [{"clean": RANK}] * 2
    shown = client.get("/spaces/darts/map", params={"x": "params", "y": "clean"})
    assert shown.status_code == 200, shown.text
    assert shown.json()["y"]["scale"] == "rank"


def test_the_command_line_prints_percentiles(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arch = get_space("darts").example
    arguments = ["predict", "--space", "darts", "--arch", arch, "--forests", str(folder)]
    assert run([*arguments, "--var", str(tmp_path)]) == 0
    assert "percentile" in capsys.readouterr().out
