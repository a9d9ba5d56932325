"""The process that answers imports no torch, whatever is asked, and refuses what is too large."""

import importlib.util
import json
import subprocess
import sys

import pytest

from acorn.errors import InputError
from acorn.spaces import get_space
from service.errors import UnavailableError
from service.prediction.isolated_process import IsolatedProcess
from tests.service.servers import ROOT

PROGRAM = """
import json, sys
from acorn.datasets import get_dataset
from acorn.schemas.prediction import PredictRequest
from service.prediction.isolated_process import start_isolated_process
from service.prediction.plan import parse_request
from service.prediction.feature_path import SizeLimits

if __name__ == "__main__":
    start_isolated_process()
    details = []
    for spec in json.load(sys.stdin):
        parsed = parse_request({"architectures": [spec]}, PredictRequest, max_architectures=1)
        details += [each.detail for each in parsed.errors]
        cifar = get_dataset("cifar10")
        known = {each.id: (each, cifar) for each in parsed.architectures.values()}
        refused = SizeLimits(params=3.0, flops=10_000.0).refuse(known)
        details += map(str, refused.values())
    print(json.dumps([details, "torch" in sys.modules]))
"""
GRAPH = json.loads(get_space("graph").example)
TIMM = importlib.util.find_spec("timm") is not None


def wide(features: int) -> dict[str, object]:
    """A network of one hidden layer on all pixels."""
    nodes = [
        {"name": "flat", "op": "flatten", "inputs": ["input"]},
        {"name": "hidden", "op": "linear", "inputs": ["flat"], "out_features": features},
        {"name": "out", "op": "linear", "inputs": ["hidden"], "out_features": "classes"},
    ]
    return {"nodes": nodes, "output": "out"}


def test_what_is_too_large_is_refused_before_anything_is_built() -> None:
    too_large: list[tuple[str, object, str]] = [
        ("darts", get_space("darts").example, "million parameters; expected at most 3"),
        ("graph", wide(2_000), "million parameters; expected at most 3"),
        ("graph", wide(60_000), "got more than 150000000 parameters"),
    ]
    if TIMM:
        too_large += [
            ("timm", "resnet18", "million parameters; expected at most 3"),
            ("timm", "vit_giant_patch14_224", "parameters; expected at most 150000000"),
            ("timm", "no_such", "expected a name"),
        ]
    fine = [{"space": "graph", "arch": GRAPH}]
    specs = [{"space": space, "arch": arch} for space, arch, _ in too_large] + fine
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(specs),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    details, has_torch = json.loads(done.stdout)
    assert not has_torch
    assert len(details) == len(too_large)
    for detail, (_, _, expected) in zip(details, too_large, strict=True):
        assert expected in detail


@pytest.fixture
def process() -> IsolatedProcess:
    return IsolatedProcess()


def test_a_isolated_process_answers_as_the_space_itself(process: IsolatedProcess) -> None:
    space = get_space("nats_sss")
    assert process.ask("nats_sss", "parse", space.example) == space.parse(space.example)
    with pytest.raises(InputError) as caught:
        process.ask("nats_sss", "parse", "nonsense")
    with pytest.raises(InputError) as expected:
        space.parse("nonsense")
    assert str(caught.value) == str(expected.value)
    process.close()
    assert process.ask("nats_sss", "parse", space.example).arch == space.example
    process.close()


def test_a_isolated_process_that_dies_is_replaced(process: IsolatedProcess) -> None:
    example = get_space("nats_sss").example
    assert process.ask("nats_sss", "parse", example)
    assert process._process is not None
    process._process.kill()
    process._process.join()
    with pytest.raises(UnavailableError, match="died"):
        process.ask("nats_sss", "parse", example)
    assert process.ask("nats_sss", "parse", example)
    process.close()
