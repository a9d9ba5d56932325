"""Proxies over HTTP: alone, in predictions, as jobs, through the clients, and their sources."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acorn.client import Client
from acorn.features.feature_table import FeatureTable
from acorn.features.recipe import proxy_names
from acorn.proxies import list_proxies
from acorn.schemas.jobs import Job, ResultLine
from acorn.schemas.prediction import ProxyProvenance
from acorn.schemas.proxies import ProxyResponse
from acorn.spaces import get_space
from tests.client.awaited import Awaited
from tests.client.conftest import Kind
from tests.service.in_process import in_process, quick_app
from tests.service.jobs_client import JobsClient, specs
from tests.service.quick_servers import quick_server
from tests.service.servers import ROOT, Requests
from tests.service.small_forest import SmallForest

Json = dict[str, Any]
RELEASED = ROOT / "models" / "released"
WIDTHS = {"space": "nats_sss", "arch": "8:8:8:8:8"}


@pytest.fixture(scope="module")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    """A server whose workers find 0 for every feature, and fail for one cell."""
    folder = tmp_path_factory.mktemp("proxies")
    faults = {small.unknown[0]: "raise it is broken"}
    with quick_app(folder, small, faults=faults, max_architectures=20) as server:
        yield server


def measured(server: Requests, *cells: str, **fields: object) -> Json:
    response = server.post("/proxies", json={"architectures": specs(cells), **fields})
    assert response.status_code == 200, response.text
    ProxyResponse.model_validate(response.json())
    answer: Json = response.json()
    return answer


def errors(server: Requests, path: str, body: object) -> list[tuple[str, str]]:
    response = server.post(path, json=body)
    assert response.status_code == 422, response.text
    return [(item["pointer"], item["detail"]) for item in response.json()["errors"]]


def test_names_are_known_without_torch() -> None:
    assert [*proxy_names()] == list_proxies()


def test_an_answer_has_every_part(server: Requests, small: SmallForest) -> None:
    cell = small.unknown[1]
    answer = measured(server, cell, dataset="CIFAR-10", proxies=["synflow", "nwot"], seed=7)
    (result,) = answer["results"]
    assert result.pop("seconds") >= 0.0
    assert result == {
        "id": small.id(cell),
        "space": "nats_tss",
        "arch": small.canonical(cell),
        "proxies": {"nwot": 0.0, "synflow": 0.0},
        "errors": {},
        "reasons": {},
        "source": "computed",
    }
    settings = ProxyProvenance.model_validate(answer["settings"])
    assert (settings.dataset, settings.seed, settings.batch_size) == ("cifar10", 7, 16)


def test_all_proxies_and_any_space(server: Requests, small: SmallForest) -> None:
    body = {"architectures": [*specs(small.unknown[2:3]), WIDTHS], "dataset": "ImageNet16-120"}
    results = server.post("/proxies", json=body).json()["results"]
    assert [result["space"] for result in results] == ["nats_tss", "nats_sss"]
    assert all([*result["proxies"]] == list_proxies() for result in results)


def test_rows_of_a_table_that_lack_proxies_are_computed(tmp_path: Path, small: SmallForest) -> None:
    """Released tables have proxies of a part of their architectures; the others have nulls."""
    name = "nasbench_macro-cifar10"
    table = FeatureTable.read(RELEASED / name / "features.parquet")
    lacks = table.frame["synflow"].is_null()
    archs = [table.frame.filter(rows)["id"][0].partition("/")[2] for rows in (~lacks, lacks)]
    (tmp_path / "forests").mkdir()
    (tmp_path / "forests" / name).symlink_to(RELEASED / name)
    with quick_app(tmp_path, small, forests=tmp_path / "forests") as server:
        body = {
            "architectures": [{"space": "nasbench_macro", "arch": arch} for arch in archs],
            "proxies": ["synflow", "nwot"],
        }
        in_table, computed = server.post("/proxies", json=body).json()["results"]
    row = table.row(in_table["id"])
    assert row is not None
    assert in_table["source"] == "table"
    assert in_table["proxies"] == {name: row.values[name] for name in ("nwot", "synflow")}
    assert None not in in_table["proxies"].values()
    assert (computed["source"], computed["proxies"]) == ("computed", {"nwot": 0, "synflow": 0})


def test_values_are_computed_once(server: Requests, small: SmallForest) -> None:
    first, second = small.twins
    answer = measured(server, first, second, first, proxies=["snip"])
    assert len({result["id"] for result in answer["results"]}) == 1
    assert {result["source"] for result in answer["results"]} == {"computed"}
    assert measured(server, second, proxies=["snip"])["results"][0]["source"] == "cache"
    assert measured(server, second, proxies=["snip"], seed=1)["results"][0]["source"] == "computed"
    # Other proxies of the same architecture do not displace the ones before.
    assert measured(server, second, proxies=["zen"])["results"][0]["source"] == "computed"
    both = measured(server, second, proxies=["snip", "zen"])["results"][0]
    assert (both["source"], both["seconds"]) == ("cache", 0.0)


def test_every_bad_item_is_listed(server: Requests, small: SmallForest) -> None:
    body = {
        "architectures": [*specs([small.known[0]]), {"space": "nats_tss", "arch": "x"}],
        "proxies": ["synflow", "synflwo"],
        "dataset": "mnist",
    }
    listed = errors(server, "/proxies", body)
    assert [pointer for pointer, _ in listed] == ["/architectures/1/arch", "/dataset", "/proxies/1"]
    assert listed[2][1].startswith("unknown proxy 'synflwo'; expected one of az_complexity")
    for fields, pointer in (
        ({"seed": -1}, "/seed"),
        ({"proxies": []}, "/proxies"),
        ({"targets": ["clean"]}, "/targets"),
        ({"architectures": [WIDTHS | {"conditions": {}}]}, "/architectures/0/conditions"),
        ({"architectures": [WIDTHS] * 21}, "/architectures"),
    ):
        body = {"architectures": [WIDTHS], **fields}
        assert [item[0] for item in errors(server, "/proxies", body)] == [pointer]


def test_a_failure_names_its_architecture(server: Requests, small: SmallForest) -> None:
    body = {"architectures": specs([small.unknown[3], small.unknown[0]])}
    response = server.post("/proxies", json=body)
    assert response.status_code == 500
    assert [item["pointer"] for item in response.json()["errors"]] == ["/architectures/1"]


def test_large_networks_are_refused(small: SmallForest, tmp_path: Path) -> None:
    with quick_app(tmp_path, small, max_params=0.001) as server:
        ((pointer, detail),) = errors(server, "/proxies", {"architectures": [WIDTHS]})
        assert pointer == "/architectures/0"
        assert "million parameters; expected at most 0.001" in detail


def test_a_prediction_has_the_same_items(server: Requests, small: SmallForest) -> None:
    names = ["grasp", "nwot"]
    body = {"architectures": specs([small.known[0], small.unknown[4]]), "proxies": names}
    plain = {name: value for name, value in body.items() if name != "proxies"}
    without = server.post("/predict", json=plain).json()
    assert without["settings"] is None
    assert without["predictions"][0]["proxies"] is None
    for expected_source in ("computed", "cache"):
        answer = server.post("/predict", json=body).json()
        alone = measured(server, small.known[0], small.unknown[4], proxies=names)
        assert answer["settings"] == alone["settings"]
        pairs = zip(answer["predictions"], alone["results"], without["predictions"], strict=True)
        for prediction, result, other in pairs:
            assert prediction["proxies"] == result["proxies"]
            assert prediction["errors"] == result["errors"]
            assert prediction["targets"] == other["targets"]
            assert prediction["feature_source"] == expected_source
    ((pointer, _),) = errors(server, "/predict", body | {"proxies": ["nwot", "x"]})
    assert pointer == "/proxies/1"


def test_a_job_computes_proxies(server: Requests, small: SmallForest) -> None:
    cells = [*small.known[:3], small.unknown[0], *small.unknown[5:8]]
    with JobsClient(server) as client:
        body = {"kind": "proxies", "architectures": specs(cells), "proxies": ["nwot"], "seed": 3}
        response = client.post("/jobs", json=body)
        assert response.status_code == 202, response.text
        job = response.json()
        Job.model_validate(job)
        assert (job["kind"], job["forest"], job["dataset"]) == ("proxies", None, "cifar10")
        done = client.until_done(job)
        assert (done["done"], done["failed"]) == (len(cells) - 1, 1)
        lines = client.lines(job)
        for index, (cell, line) in enumerate(zip(cells, lines, strict=True)):
            ResultLine.model_validate(line)
            assert (line["index"], line["settings"]["seed"]) == (index, 3)
            if cell == small.unknown[0]:
                assert line["error"]["status"] == 500
            else:
                assert line["result"]["id"] == small.id(cell)
                assert line["result"]["proxies"] == {"nwot": 0.0}
        table = client.get(f"/jobs/{job['id']}/result", params={"format": "csv"}).text
        assert table.splitlines()[0] == "index,id,space,arch,source,proxy.nwot,error"


def test_a_job_of_lines_and_bad_jobs(server: Requests, small: SmallForest) -> None:
    lines = "\n".join(map(json.dumps, specs(small.known[:2])))
    with JobsClient(server) as client:

        def submit(**query: str) -> Any:
            headers = {"Content-Type": "application/x-ndjson"}
            return client.post("/jobs", content=lines, params=query, headers=headers)

        job = submit(kind="proxies", proxies="nwot,zen", seed="2").json()
        client.until_done(job)
        assert [*client.lines(job)[1]["result"]["proxies"]] == ["nwot", "zen"]
        for query, pointer in (
            ({"kind": "proxy"}, "/kind"),
            ({"kind": "proxies", "proxies": "x"}, "/proxies/0"),
            ({"kind": "proxies", "targets": "clean"}, "/targets"),
            ({"seed": "1"}, "/seed"),
        ):
            response = submit(**query)
            assert response.status_code == 422
            assert [item["pointer"] for item in response.json()["errors"]] == [pointer]
        wrong: tuple[object, ...] = ({}, ["proxies"], None, 1)
        for kind in wrong:
            document = {"kind": kind, "architectures": specs(small.known[:1])}
            response = client.post("/jobs", json=document)
            assert response.status_code == 422
            assert [item["pointer"] for item in response.json()["errors"]] == ["/kind"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Client, Awaited])
def test_both_clients_and_real_workers(small: SmallForest, tmp_path: Path, kind: Kind) -> None:
    """Values of real workers are those of the library; the store keeps them."""
    cell = small.unknown[1]
    with in_process(tmp_path, small.folder, None, workers=1, device="cpu") as server:
        server.until_ready()
        answer = measured(server, cell, proxies=["params", "synflow", "zen"])
    result = answer["results"][0]
    assert result["source"] == "computed"
    assert result["errors"].keys() == {"zen"}
    assert result["proxies"]["params"] == pytest.approx(
        get_space("nats_tss").cost(small.canonical(cell), _cifar10()).params
    )
    with quick_server(tmp_path, small) as real, kind(real.url) as client:
        again = client.proxies(cell, space="nats_tss", proxies="params,synflow,zen")
        assert again.results[0].source == "cache"
        assert again.results[0].proxies == result["proxies"]
        job = client.jobs.submit([cell], space="nats_tss", kind="proxies", proxies=["params"])
        client.jobs.wait(job)
        (line,) = client.jobs.results(job)
        assert line.result.proxies == {"params": result["proxies"]["params"]}
        with pytest.raises(TypeError, match="targets"):
            client.proxies(cell, space="nats_tss", targets=["clean"])


def _cifar10() -> Any:
    from acorn.datasets import get_dataset

    return get_dataset("cifar10")
