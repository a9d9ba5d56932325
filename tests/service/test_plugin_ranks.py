"""Plugin spaces without a forest are ranked among members of their own."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from acorn.bundle_predictor import BundlePredictor
from acorn.features.code_version import code_version
from acorn.forests.released import released_folder
from acorn.learning.train import train_sampled_ranks
from acorn.schemas.prediction import PredictRequest
from acorn.spaces import get_space
from service.prediction.plugin_ranks import rank_plugin_spaces
from service.repository.model_repository import ModelRepository, ranks_path
from service.repository.served_bundle import ServedBundle
from tests.conftest import Write
from tests.service.in_process import in_process
from tests.service.jobs_client import JobsClient
from training.commands.main import run

REFERENCE = "universal-cifar10"
WIDTHS = range(1, 31)
MODULE = """
from dataclasses import dataclass
from typing import Literal

from acorn.spaces import ChoiceSpace


@dataclass(frozen=True)
class Choices:
    width: Literal[{widths}]


class Narrow(ChoiceSpace):
    '''Networks that are far smaller than those of all other spaces.'''

    name, choices = "{name}", Choices

    def network(self, choices, dataset):
        from torch import nn

        pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        layers = [nn.Linear(3, choices.width), nn.Linear(choices.width, dataset.num_classes)]
        return nn.Sequential(*pooled, *layers)
"""


def module(name: str, widths: range = WIDTHS) -> str:
    return MODULE.format(name=name, widths=", ".join(map(str, widths)))


@pytest.fixture
def forests(tmp_path: Path) -> Path:
    folder = tmp_path / "forests"
    shutil.copytree(released_folder() / REFERENCE, folder / REFERENCE)
    return folder


def chosen(repository: ModelRepository, space: str) -> ServedBundle:
    """The forest that answers a request for an architecture of a space."""
    specs = [{"space": space, "arch": "width=5"}]
    architecture = get_space(space).parse("width=5")
    request = PredictRequest.model_validate({"architectures": specs})
    served, errors = repository.snapshot.choose(request, {0: architecture})
    assert served is not None
    assert not errors
    return served


def test_percentiles_are_those_of_the_own_population(
    plugin: Write, forests: Path, tmp_path: Path
) -> None:
    plugin("plug_narrow", module("narrow"))
    repository = ModelRepository(forests, tmp_path / "ranks")
    assert repository.snapshot.unranked == [("narrow", "cifar10")]
    reference = chosen(repository, "narrow")
    train_sampled_ranks("narrow", "cifar10", ranks_path(tmp_path / "ranks", "narrow", "cifar10"))
    repository.reload()
    assert repository.snapshot.unranked == []
    own = chosen(repository, "narrow")
    assert (reference.name, own.name) == (REFERENCE, "narrow-cifar10")
    specs = [{"space": "narrow", "arch": f"width={width}"} for width in WIDTHS]
    values, references = (
        BundlePredictor(served.bundle, device="cpu").predict(specs)["clean"].value
        for served in (own, reference)
    )
    uniform = 100 * (np.arange(len(specs)) + 0.5) / len(specs)
    assert np.abs(values - uniform).max() < 8
    assert references.max() < 10  # next to all networks of the other spaces rank higher
    shutil.copytree(own.path, forests / "narrow-cifar10")  # the folder of forests comes first
    assert repository.reload().refused == []
    assert chosen(repository, "narrow").path == forests / "narrow-cifar10"


def test_changed_code_is_ranked_again(plugin: Write, tmp_path: Path) -> None:
    plugin("plug_changed", module("changed"))
    before = ranks_path(tmp_path, "changed", "cifar10")
    assert ranks_path(tmp_path, "changed", "cifar10") == before
    plugin("plug_changed", module("changed") + "# another line")
    code_version.cache_clear()  # as in another process
    assert ranks_path(tmp_path, "changed", "cifar10") != before


def test_features_stop_at_the_time_limit(plugin: Write, tmp_path: Path) -> None:
    plugin("plug_slow", module("slow"))
    bundle = train_sampled_ranks("slow", "cifar10", tmp_path / "slow-cifar10", seconds=0)
    assert len(bundle.table) == 20  # the least members of a population


@pytest.mark.slow
def test_the_command_line_makes_the_population_once(
    plugin: Write, forests: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin("plug_once", module("once"))
    arguments = ["predict", "--space", "once", "--arch", "width=30", "--json"]
    folders = ["--forests", str(forests), "--var", str(tmp_path)]
    times = set()
    for _ in range(2):
        assert run([*arguments, *folders]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["forest"]["name"] == "once-cifar10"
        assert answer["target_details"]["clean"]["scale"] == "rank"
        assert answer["predictions"][0]["targets"]["clean"]["value"] > 90
        (manifest,) = (tmp_path / "ranks").glob("*/once-cifar10/manifest.json")
        times.add(manifest.stat().st_mtime_ns)
    assert len(times) == 1
    assert run([*arguments, *folders, "--forest", REFERENCE]) == 0
    assert json.loads(capsys.readouterr().out)["forest"]["name"] == REFERENCE


@pytest.mark.slow
def test_a_server_makes_the_population_before_it_answers(
    plugin: Write, forests: Path, tmp_path: Path
) -> None:
    plugin("plug_served", module("served"))
    spec = {"space": "served", "arch": {"width": 1}}
    with in_process(tmp_path / "server", forests, None) as server:
        answer = server.post("/predict", json={"architectures": [spec]}).json()
    assert answer["forest"]["name"] == "served-cifar10"
    assert answer["predictions"][0]["targets"]["clean"]["value"] < 10


@pytest.mark.slow
@pytest.mark.parametrize(("widths", "evaluations"), [(WIDTHS, len(WIDTHS)), (range(1, 401), 80)])
def test_a_search_of_a_plugin_space(
    plugin: Write,
    forests: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    widths: range,
    evaluations: int,
) -> None:
    """All members are compared, or NSGA-II evolves them; on a server as by the command line."""
    name = f"searched{evaluations}"
    plugin(f"plug_{name}", module(name, widths))
    form = {"space": name, "objectives": ["clean", "params"], "evaluations": evaluations}
    with (
        in_process(tmp_path / "server", forests, None) as server,
        JobsClient(server) as client,
    ):
        job = client.post("/jobs", json={"kind": "search", **form}).json()
        done = client.until_done(job)
        front = client.get(job["front"]).json()["front"]
    assert (done["total"], done["done"], done["failed"]) == (evaluations, evaluations, 0)
    found = [int(member["prediction"]["arch"].removeprefix("width=")) for member in front]
    assert len(found) > evaluations / 2  # wider networks are larger, and rank higher
    assert found == sorted(found, reverse=True)

    out = tmp_path / "front.csv"
    command = ["search", "--bundle", str(forests / REFERENCE), "--space", name, "--out", str(out)]
    settings = ["--objectives", "clean,params", "--evaluations", str(evaluations)]
    assert run([*command, *settings, "--workers", "1", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["judged"] == evaluations
    assert {row["arch"] for row in printed["front"]} <= {f"width={width}" for width in widths}


@pytest.mark.slow
def test_a_space_that_cannot_be_ranked_keeps_the_reference_population(
    plugin: Write, forests: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plugin("plug_few", module("few", range(4, 9)))
    repository = ModelRepository(forests, tmp_path / "ranks")
    with caplog.at_level(logging.WARNING):
        rank_plugin_spaces(repository)
    assert "few is ranked in a population of other spaces: got 5 architectures" in caplog.text
    assert chosen(repository, "few").name == REFERENCE
