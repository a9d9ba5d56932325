"""One architecture and one dataset, however they are spelt and wherever they are asked for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from acorn.spaces import get_space
from tests.service.jobs_client import JobsClient
from tests.service.quick_servers import quick_server
from tests.service.servers import Server
from tests.service.small_forest import SmallForest
from training.commands.main import run

DATASETS = ["cifar10", "CIFAR10", "CIFAR-10", "cifar_10"]
NASLIB = ["skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3"]


@pytest.fixture(scope="module")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with quick_server(tmp_path_factory.mktemp("spellings"), small) as server:
        yield server


def naslib(cell: str) -> list[int]:
    """NASLib's numbers, on the edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3."""
    a, b, c, d, e, f = map(NASLIB.index, re.findall(r"(\w+)~", cell))
    return [a, b, d, c, e, f]


@pytest.fixture(scope="module")
def spellings(small: SmallForest) -> list[object]:
    """Of the first cell that the forest's table knows."""
    cell, space = small.known[0], get_space("nats_tss")
    index = next(i for i in range(15_625) if space.parse(i).arch == space.parse(cell).arch)
    numbers = naslib(cell)
    return [cell, index, str(index), numbers, str(numbers), str(tuple(numbers))]


def test_all_spellings_of_a_cell_have_one_answer(
    server: Server, small: SmallForest, spellings: list[object]
) -> None:
    body = {"architectures": [{"space": "nats_tss", "arch": each} for each in spellings]}
    response = httpx.post(f"{server.url}/predict", json=body)
    assert response.status_code == 200, response.text
    first, *others = response.json()["predictions"]
    assert first["id"] == small.id(small.known[0])
    assert others == [first] * (len(spellings) - 1)


def test_a_job_reads_them_too(server: Server, small: SmallForest, spellings: list[object]) -> None:
    lines = [json.dumps({"space": "nats_tss", "arch": each}) for each in spellings]
    with JobsClient(server) as client:
        response = client.post(
            "/jobs",
            params={"dataset": "CIFAR-10"},
            content="\n".join(lines),
            headers={"content-type": "application/x-ndjson"},
        )
        assert response.status_code == 202, response.text
        job = response.json()
        assert job["dataset"] == "cifar10"
        client.until_done(job)
        ids = [line["prediction"]["id"] for line in client.lines(job)]
    assert ids == [small.id(small.known[0])] * len(spellings)


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_dataset_is_found_in_every_place(
    server: Server, small: SmallForest, dataset: str
) -> None:
    with JobsClient(server) as client:
        body = {"architectures": [{"space": "nats_tss", "arch": small.known[0]}]}
        answer = client.post("/predict", json=body | {"dataset": dataset})
        assert answer.status_code == 200, answer.text
        named = client.post("/predict", json=body | {"dataset": dataset, "forest": small.name})
        assert named.json()["forest"] == answer.json()["forest"]
        space_map = client.get("/spaces/nats_tss/map", params={"dataset": dataset})
        assert space_map.json()["dataset"] == "cifar10"
        job = client.submit(small.known[:1], dataset=dataset)
        assert job["dataset"] == "cifar10"


def test_a_dataset_that_there_is_not_is_named_as_it_was_sent(
    server: Server, small: SmallForest
) -> None:
    body = {"architectures": [{"space": "nats_tss", "arch": small.known[0]}], "dataset": "MNIST-1"}
    response = httpx.post(f"{server.url}/predict", json=body)
    assert response.status_code == 422
    (item,) = response.json()["errors"]
    assert item["pointer"] == "/dataset"
    assert item["detail"].startswith("unknown dataset 'MNIST-1'; expected one of")
    response = httpx.get(f"{server.url}/spaces/nats_tss/map", params={"dataset": "MNIST-1"})
    assert response.status_code == 404
    assert "'MNIST-1'" in response.json()["detail"]


def test_the_command_line_reads_them_as_text(
    small: SmallForest,
    spellings: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    archs = [option for each in spellings for option in ("--arch", str(each))]
    places = ["--forests", str(small.folder), "--var", str(tmp_path)]
    for dataset in DATASETS:
        command = ["predict", "--space", "nats_tss", "--dataset", dataset, "--json"]
        assert run([*command, *archs, *places]) == 0
        predictions = json.loads(capsys.readouterr().out)["predictions"]
        assert [each["id"] for each in predictions] == [small.id(small.known[0])] * len(spellings)
