"""Predictions under conditions: requests, jobs, caches, clients, and names of tables."""

import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from torch import nn

import acorn
from acorn.bundle_predictor import BundlePredictor, Network
from acorn.client.calls import prediction
from acorn.client.requests import encode_all, given_options
from acorn.errors import InputError
from acorn.forests import Bundle
from acorn.schemas.predict_options import Options, write_query
from acorn.schemas.prediction import ArchitectureSpec, ForestDetail
from acorn.spaces import SPACES, get_space
from acorn.spaces.timm import TimmSpace
from tests.conditions import ARCHS, NAME, TABLED, network
from tests.service.in_process import in_process
from tests.service.jobs_client import JobsClient
from tests.service.servers import Requests
from training.commands.main import run

Json = dict[str, Any]


@pytest.fixture(scope="module")
def bundle(conditional: Path) -> Bundle:
    return Bundle.load(conditional / "forests" / NAME)


@pytest.fixture(scope="module")
def server(conditional: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    folder = tmp_path_factory.mktemp("server")
    with in_process(folder, conditional / "forests", None, workers=1, device="cpu") as server:
        server.until_ready()
        yield server


def spec(arch: str = ARCHS[5], space: str = "graph", **conditions: object) -> Json:
    return {"space": space, "arch": arch} | ({"conditions": conditions} if conditions else {})


def ask(server: Requests, *specs: Json, **fields: object) -> list[Json]:
    body = {"architectures": specs, "dataset": "imagenet1k", "targets": ["clean"], **fields}
    response = server.post("/predict", json=body)
    assert response.status_code == 200, response.text
    predictions: list[Json] = response.json()["predictions"]
    return predictions


def clean(prediction: Json) -> float:
    value: float = prediction["targets"]["clean"]["value"]
    return value


def errors(response: httpx.Response) -> list[tuple[str, str]]:
    assert response.status_code == 422, response.text
    return [(item["pointer"], item["detail"]) for item in response.json()["errors"]]


def expected(bundle: Bundle, arch: str = ARCHS[5], **given: object) -> float:
    values = bundle.resolve(given)
    X = bundle.table_matrix([bundle.row_id(f"graph/{arch}", values)], [values])
    return float(bundle.predict(X)["clean"].value[0])


def test_the_forest_shows_its_conditions(server: Requests) -> None:
    detail = server.get(f"/forests/{NAME}").json()
    assert [(c["name"], c["kind"], c["default"]) for c in detail["conditions"]] == [
        ("image_size", "number", 224),
        ("pretraining", "category", "none"),
    ]
    assert (detail["conditions"][0]["lower"], detail["conditions"][0]["upper"]) == (96, 224)
    assert detail["conditions"][1]["values"] == ["more", "none"]
    assert detail["feature_names"][-1] == "condition.pretraining.none"


def test_conditions_of_a_request_and_of_an_architecture(server: Requests, bundle: Bundle) -> None:
    predictions = ask(
        server,
        spec(),
        spec(pretraining="none"),
        spec(image_size=224),
        spec(ARCHS[6], image_size=96, pretraining="none"),
        conditions={"pretraining": "more", "image_size": 96},
    )
    used = [(p["conditions"]["image_size"], p["conditions"]["pretraining"]) for p in predictions]
    assert used == [(96, "more"), (96, "none"), (224, "more"), (96, "none")]
    assert [clean(p) for p in predictions] == [
        expected(bundle, image_size=96, pretraining="more"),
        expected(bundle, image_size=96),
        expected(bundle, pretraining="more"),
        expected(bundle, ARCHS[6], image_size=96),
    ]
    assert len({clean(p) for p in predictions[:3]}) == 3
    assert {p["id"] for p in predictions[:3]} == {f"graph/{ARCHS[5]}"}
    assert {p["feature_source"] for p in predictions} == {"table"}
    assert predictions[0]["features"]["condition.image_size"] == 96
    assert predictions[0]["features"]["condition.pretraining.more"] == 1
    (default,) = ask(server, spec())
    assert default["conditions"] == {"image_size": 224, "pretraining": "none"}
    assert clean(default) == expected(bundle)


def test_no_answer_is_that_of_other_conditions(server: Requests, bundle: Bundle) -> None:
    """Twice, so that the second time comes from the cache of texts."""
    for _ in range(2):
        for size in (96, 224):
            for pretraining in ("more", "none"):
                wanted = expected(bundle, ARCHS[7], image_size=size, pretraining=pretraining)
                given: Json = {"image_size": size, "pretraining": pretraining}
                (by_request,) = ask(server, spec(ARCHS[7]), conditions=given)
                (by_item,) = ask(server, spec(ARCHS[7], **given))
                assert clean(by_request) == clean(by_item) == wanted
                assert by_request["conditions"] == by_item["conditions"] == given


def test_new_networks_are_computed_at_their_image_size(server: Requests) -> None:
    new = network(20, 2)
    first = ask(server, spec(new), spec(new, image_size=160), spec(new, pretraining="more"))
    assert {p["feature_source"] for p in first} == {"computed"}
    usual, small, other = (p["features"] for p in first)
    assert usual["graph.log_params"] == small["graph.log_params"]
    assert usual["graph.log_activations"] > small["graph.log_activations"]
    assert usual["graph.log_activations"] == other["graph.log_activations"]
    assert first[0]["submitted"]["flops"] > first[1]["submitted"]["flops"]
    again = ask(server, spec(new, image_size=160), interval=0.8)
    assert again[0]["feature_source"] == "cache"
    assert clean(again[0]) == clean(first[1])


def test_explanations_have_conditions(server: Requests) -> None:
    (prediction,) = ask(server, spec(pretraining="more"), explain="path")
    by_feature = {c["feature"]: c["contribution"] for c in prediction["attributions"]["clean"]}
    share = sum(value for name, value in by_feature.items() if name.startswith("condition.pre"))
    assert share > 0.5
    total = prediction["baseline"]["clean"] + sum(by_feature.values())
    assert total == pytest.approx(clean(prediction))


@pytest.mark.parametrize(
    ("fields", "items", "wanted"),
    [
        (
            {"image_size": 95},
            {},
            [("/conditions/image_size", "got image_size 95; expected an integer from 96 to 224")],
        ),
        (
            {"epochs": 90},
            {"pretraining": "a/b", "a/b": 1},
            [
                (
                    "/conditions/epochs",
                    "got condition 'epochs'; expected one of image_size, pretraining",
                ),
                (
                    "/architectures/0/conditions/pretraining",
                    "got pretraining 'a/b'; expected one of more, none",
                ),
                (
                    "/architectures/0/conditions/a~1b",
                    "got condition 'a/b'; expected one of image_size, pretraining",
                ),
            ],
        ),
        (
            {"image_size": True},
            {},
            [("/conditions/image_size", "got True; Input should be a number or a string")],
        ),
    ],
)
def test_bad_conditions(
    server: Requests, fields: Json, items: Json, wanted: list[tuple[str, str]]
) -> None:
    body = {"architectures": [spec(**items)], "dataset": "imagenet1k", "conditions": fields}
    assert errors(server.post("/predict", json=body)) == wanted
    assert errors(server.post("/jobs", json=body)) == wanted


def test_a_name_of_a_table_needs_no_timm(server: Requests, bundle: Bundle) -> None:
    same = ask(server, spec(), spec(image_size=96))
    named = ask(server, spec(TABLED, "timm"), spec(TABLED, "timm", image_size=96))
    assert [clean(p) for p in named] == [clean(p) for p in same]
    for one, other in zip(named, same, strict=True):
        assert one["submitted"] == pytest.approx(other["submitted"])
    body = {"architectures": [spec("another_name", "timm")], "dataset": "imagenet1k"}
    assert errors(server.post("/predict", json=body))[0][0] == "/architectures/0/arch"


def test_a_map_of_names_of_a_table(server: Requests) -> None:
    """Each name at each image size, under the default of the other condition."""
    forest = server.get(f"/forests/{NAME}").json()
    assert forest["table_spaces"] == ["graph", "timm"]
    query = "dataset=imagenet1k&x=throughput.gpu&y=clean"
    found = server.get(f"/spaces/timm/map?{query}").json()
    assert (found["space"], found["total"]) == ("timm", 2)
    assert found["x"]["scale"] == "log"
    points = found["points"]
    assert points["arch"] == [TABLED, TABLED]
    assert sorted(points["image_size"]) == [96, 224]
    targets = ["clean", "throughput.gpu"]
    specs = [spec(TABLED, "timm", image_size=size) for size in points["image_size"]]
    predictions = ask(server, *specs, targets=targets)
    for i, answer in enumerate(predictions):
        assert points["y"][i] == pytest.approx(clean(answer), abs=1e-4)
        throughput = answer["targets"]["throughput.gpu"]["value"]
        assert points["x"][i] == pytest.approx(throughput, abs=1e-4)
    sizes = server.get("/spaces/timm/map?dataset=imagenet1k&x=params&y=flops").json()["points"]
    for i, answer in enumerate(predictions):
        assert sizes["x"][i] == pytest.approx(answer["submitted"]["params"], abs=1e-4)
        assert sizes["y"][i] == pytest.approx(answer["submitted"]["flops"], abs=1e-4)
    graphs = server.get("/spaces/graph/map?dataset=imagenet1k&x=params&y=flops").json()
    assert graphs["total"] == len(ARCHS) * 2
    response = server.get("/spaces/darts/map?dataset=imagenet1k")
    assert response.status_code == 404
    assert "graph on imagenet1k, timm on imagenet1k" in response.json()["detail"]


def test_spaces_without_the_dataset_are_refused(server: Requests) -> None:
    cell = get_space("nats_tss").example
    body = {"architectures": [spec(cell, "nats_tss")], "dataset": "imagenet1k"}
    ((pointer, detail),) = errors(server.post("/predict", json=body))
    assert pointer == "/architectures/0/space"
    assert "no forest for nats_tss on imagenet1k" in detail


def test_jobs(server: Requests, bundle: Bundle) -> None:
    body = {
        "architectures": [spec(), spec(image_size=96), spec(network(10, 5), pretraining="none")],
        "dataset": "imagenet1k",
        "conditions": {"pretraining": "more"},
    }
    with JobsClient(server) as client:
        response = client.post("/jobs", json=body)
        assert response.status_code == 202, response.text
        client.until_done(response.json())
        lines = [line["prediction"] for line in client.lines(response.json())]
        assert [clean(line) for line in lines[:2]] == [
            expected(bundle, pretraining="more"),
            expected(bundle, image_size=96, pretraining="more"),
        ]
        assert lines[2]["conditions"] == {"image_size": 224, "pretraining": "none"}
        query = {"dataset": "imagenet1k", "conditions": "image_size=96,pretraining=more"}
        response = client.post(
            "/jobs",
            content=json.dumps(spec()),
            params=query,
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert response.status_code == 202, response.text
        client.until_done(response.json())
        (line,) = client.lines(response.json())
        assert clean(line["prediction"]) == clean(lines[1])


def test_the_python_client(server: Requests, bundle: Bundle) -> None:
    given: Json = {"image_size": 96, "pretraining": "more"}
    by_request: Options = {"dataset": "imagenet1k", "conditions": given}
    by_item: Options = {"dataset": "imagenet1k"}
    item = ArchitectureSpec(space="graph", arch=ARCHS[5], conditions=given)
    for request in (
        prediction([*encode_all(spec(), None)], by_request),
        prediction([*encode_all(item, None)], by_item),
    ):
        response = server.post(request.path, content=request.body, headers=request.headers)
        answer = request.read(response.content).predictions[0]
        assert answer.targets["clean"].value == expected(bundle, **given)
        assert answer.conditions == given
    assert write_query(given_options({"conditions": given})) == {"conditions": json.dumps(given)}
    detail = ForestDetail.model_validate_json(server.get(f"/forests/{NAME}").content)
    assert detail.conditions == bundle.conditions
    assert b"conditions" not in b"".join(encode_all(ArchitectureSpec(space="a", arch="b"), None))


def test_the_command_line(conditional: Path, bundle: Bundle, tmp_path: Path) -> None:
    output = StringIO()
    with redirect_stdout(output):
        code = run(
            [
                *("predict", "--space", "graph", "--arch", ARCHS[5], "--dataset", "imagenet1k"),
                *("--forests", str(conditional / "forests"), "--var", str(tmp_path), "--json"),
                *("--targets", "clean", "--conditions", "image_size=96,pretraining=more"),
            ]
        )
    assert code == 0
    (prediction,) = json.loads(output.getvalue())["predictions"]
    assert clean(prediction) == expected(bundle, image_size=96, pretraining="more")


def test_a_bundle_predicts_for_networks(conditional: Path, bundle: Bundle) -> None:
    predictor = acorn.load_bundle(conditional / "forests" / NAME)
    module = get_space("graph").build(ARCHS[5], acorn.datasets.get_dataset("imagenet1k"))
    weights = module.state_dict()
    before = {name: tensor.clone() for name, tensor in weights.items()}
    mixed: list[Network] = [module, spec(), spec(image_size=96)]
    predicted = predictor.predict(mixed, ["clean"])["clean"].value
    assert predicted[0] == predicted[1] == expected(bundle)
    assert predicted[2] == expected(bundle, image_size=96)
    small = predictor.predict([module], conditions={"image_size": 96})["clean"].value[0]
    assert small == predicted[2]
    assert all(torch.equal(before[name], tensor) for name, tensor in weights.items())
    assert predictor.in_domain(mixed, conditions={"pretraining": "more"})[1].shape == (3,)
    named = predictor.predict([spec(TABLED, "timm")])["clean"].value
    assert named[0] == predicted[0]
    with pytest.raises(InputError, match="got image_size 999; expected an integer from 96 to 224"):
        predictor.predict([module], conditions={"image_size": 999})
    with pytest.raises(InputError, match="spec 1: got condition 'size'; expected one of"):
        predictor.predict([spec(), spec(size=1)])
    with pytest.raises(InputError, match="expected a list of specs"):
        predictor.predict(module)  # type: ignore[arg-type]


def test_a_bundle_of_proxies_takes_no_networks() -> None:
    predictor: BundlePredictor = acorn.load_bundle("nats_tss-cifar10")
    with pytest.raises(InputError, match="got a network; expected a spec, since nats_tss-cifar10"):
        predictor.predict([nn.Flatten()])
    with pytest.raises(InputError, match="got condition 'image_size'; expected no condition"):
        predictor.predict([], conditions={"image_size": 32})


def test_only_names_of_tables_are_recognised() -> None:
    space = TimmSpace()
    assert not space.recognises("resnet18")
    space.recognise(["resnet18"])
    assert space.recognises(" resnet18\n")
    assert not space.recognises(18)
    assert space.parse("resnet18").id == "timm/resnet18"
    assert all(other.recognises("x") for name, other in SPACES.items() if name != "timm")
