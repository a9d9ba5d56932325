"""Targets with a unit of their own: one entry of the table of targets is all that they need."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from acorn import targets
from acorn.errors import InputError, InvalidTableError
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.forests import Bundle, LabelScale
from acorn.learning.fitting import Configuration
from acorn.learning.labels import Labels
from acorn.learning.train import train_bundle
from acorn.nas.objectives import Objectives
from acorn.pareto import pareto_front
from acorn.schemas.prediction import TargetDetail
from acorn.spaces import get_space
from acorn.targets import Target
from service.prediction.space_map import _axis
from training.evaluation.evaluate import evaluate
from training.evaluation.report.page import write_report
from training.labels.importers import import_table
from training.labels.reading import read_labels

pytestmark = pytest.mark.slow

SPACE = get_space("nats_tss")
SETTINGS = ProxySettings(
    dataset="cifar10", batch="noise", batch_size=4, batch_digest="0" * 64, seed=0
)
MEMORY = Target("memory.<device>", "memory", unit="MB", upper=math.inf, higher_is_better=False)
OPERATIONS = ("3x3~", "1x1~", "skip", "none")


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    """The one place that a new unit takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(targets.TARGETS, r"memory\.[a-z0-9]+", MEMORY)
        yield


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Labels:
    cells = SPACE.sample(300, seed=0)
    noise = np.random.default_rng(0).normal(size=(3, len(cells)))
    size = np.array([cell.count("3x3~") for cell in cells])
    frame = pl.DataFrame(
        {
            "arch": cells,
            "cifar10.clean": 70 + 4 * size + noise[0],
            "cifar10.throughput.a100": 1e4 * np.exp(-0.6 * size + 0.1 * noise[1]),
            "cifar10.memory.pi4": 200 + 150 * size + 10 * noise[2],
        }
    )
    path = tmp_path_factory.mktemp("labels") / "labels.parquet"
    frame.write_parquet(path)
    return read_labels([str(path)], space="nats_tss", dataset="cifar10")


@pytest.fixture(scope="module")
def folder(labels: Labels, tmp_path_factory: pytest.TempPathFactory, few_steps: None) -> Path:
    rows = [
        FeatureRow(id_, {f"cell.{op}": float(id_.count(op)) for op in OPERATIONS})
        for id_ in sorted(set(labels.ids))
    ]
    out = tmp_path_factory.mktemp("bundles") / "fast"
    known = labels.only(set(labels.ids[:200]))
    table = FeatureTable.from_rows(rows, SETTINGS)
    train_bundle(known, table, out, configuration=Configuration(trees=10), n_jobs=1)
    return out


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return Bundle.load(folder)


def test_labels_are_read_in_their_unit(labels: Labels) -> None:
    assert labels.targets == ["clean", "throughput.a100", "memory.pi4"]
    assert labels.matrix(["throughput.a100"]).max() > 5000


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf])
def test_labels_out_of_bounds_are_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "labels.csv"
    frame = pl.DataFrame({"arch": SPACE.sample(2, seed=0), "cifar10.throughput.a": [0.5, value]})
    frame.write_csv(path)
    with pytest.raises(InvalidTableError, match=r"row 2; expected images/s, above 0"):
        import_table(path)
    frame.head(1).write_csv(path)
    assert import_table(path)["cifar10.throughput.a"].to_list() == [0.5]  # no fraction


def test_predictions_are_in_the_unit_of_the_target(bundle: Bundle) -> None:
    X = bundle.table.matrix(bundle.feature_names)
    predicted = bundle.predict(X)
    for value, lower, upper in predicted.values():
        assert ((lower > 0) & (lower <= value) & (value <= upper)).all()
    value, lower, upper = predicted["throughput.a100"]
    assert value.max() > 5000
    np.testing.assert_allclose(value / lower, upper / value)  # a factor wide
    assert predicted["memory.pi4"].upper.max() > 500
    assert predicted["clean"].upper.max() <= 100
    unbounded = bundle.predict(X, targets=["throughput.a100"], interval=1 - 1e-9)
    json.dumps(unbounded["throughput.a100"].upper.tolist(), allow_nan=False)
    assert not unbounded["throughput.a100"].lower.any()


def test_attributions_add_up_on_the_log_scale(bundle: Bundle) -> None:
    X = bundle.table.matrix(bundle.feature_names)[:5]
    (value, _, _) = bundle.predict(X, targets=["throughput.a100"])["throughput.a100"]
    baseline, contributions = bundle.attributions(X, targets=["throughput.a100"])["throughput.a100"]
    np.testing.assert_allclose(np.exp(baseline + contributions.sum(axis=1)), value, rtol=1e-5)


def test_scores_are_in_the_unit_of_the_target(bundle: Bundle, folder: Path, labels: Labels) -> None:
    evaluated = evaluate(bundle, labels).result["targets"]
    relative = "median_relative_error"
    for scores in (evaluated["throughput.a100"]["all"], bundle.manifest.scores["throughput.a100"]):
        assert 0.01 < (scores[relative] or 0.0) < 0.3
    assert not any(relative in evaluated[name]["all"] for name in ("clean", "memory.pi4"))
    assert "median relative error" in (folder / "MODEL_CARD.md").read_text()
    for name, least in {"clean": 0, "throughput.a100": 50, "memory.pi4": 1}.items():
        for scores in (evaluated[name]["all"], bundle.manifest.scores[name]):
            mae, coverage, r2 = (scores[key] or 0.0 for key in ("mae", "coverage", "r2"))
            assert (mae > least, coverage > 0.75, r2 > 0.5) == (True, True, True)


def test_searches_and_maps_know_the_direction(bundle: Bundle) -> None:
    frame = pl.DataFrame({"clean.lower": [90.0], "memory.pi4.upper": [300.0], "params": [1.0]})
    wanted = Objectives(["clean", "memory.pi4", "params"], pessimistic=True)
    assert wanted.values(frame).tolist() == [[90, -300, -1]]
    axis = _axis(bundle, "memory.pi4")
    assert (axis.unit, axis.better) == ("MB", "lower")


def test_a_front_prefers_fast_networks(bundle: Bundle) -> None:
    X = bundle.table.matrix(bundle.feature_names)
    predicted = bundle.predict(X, targets=["clean", "throughput.a100"])
    frame = pl.DataFrame({name: prediction.value for name, prediction in predicted.items()})
    front = frame[pareto_front(Objectives(frame.columns).values(frame)).tolist()]
    for name in frame.columns:
        assert front[name].max() == frame[name].max()


def test_an_answer_says_what_its_numbers_mean(bundle: Bundle) -> None:
    assert {
        name: TargetDetail.of(bundle.describe(name)).model_dump() for name in bundle.targets
    } == {
        "clean": {"unit": "percent", "better": "higher", "scale": "linear"},
        "throughput.a100": {"unit": "images/s", "better": "higher", "scale": "log"},
        "memory.pi4": {"unit": "MB", "better": "lower", "scale": "linear"},
    }


def test_a_report_has_a_chart_for_each_unit(
    bundle: Bundle, folder: Path, labels: Labels, tmp_path: Path
) -> None:
    for library in ("altair", "jinja2", "vl_convert"):
        pytest.importorskip(library)
    page = tmp_path / "report.html"
    write_report(evaluate(bundle, labels), folder, page)
    html = page.read_text()
    for numbers, name in (("0", "predicted"), ("1", "predicted-1"), ("2", "predicted-2")):
        assert f'data-only-for="{numbers}"' in html
        assert f'data-chart="{name}"' in html
    assert html.count("relative error (median)") == 1
    (found,) = re.findall(r'<script type="application/json" id="charts">(.*?)</script>', html)
    charts = json.loads(found)
    axes = [charts[name]["layer"][0]["encoding"]["x"] for name in ("predicted-1", "predicted-2")]
    assert {axis["title"]: axis["scale"].get("type", "linear") for axis in axes} == {
        "measured (images/s)": "log",
        "measured (MB)": "linear",
    }


def test_ranks_are_percentiles_of_normal_scores() -> None:
    scale = LabelScale.of(["clean", "latency.a"], ranks=True)
    scores = np.array([[0.0, 1.0], [-40.0, 1e300]])
    expected = np.array([[50.0, 84.1344746], [0.0, 100.0]])
    np.testing.assert_allclose(scale.to_label(scale.clip(scores)), expected)
    np.testing.assert_allclose(scale.to_model(expected[:1]), scores[:1], atol=1e-8)
    half = np.full((2, 2), np.inf)
    _, lower, upper = scale.columns([1]).prediction(scores[:, 1:], half[:, 1:])
    assert (lower == 0).all()
    assert (upper == 100).all()
    detail = TargetDetail.of(Target.of("latency.a").ranks)
    assert detail.model_dump() == {"unit": "percentile", "better": "higher", "scale": "rank"}


def test_a_label_that_has_no_logarithm_is_refused() -> None:
    scale = LabelScale.of(["clean", "throughput.a"])
    given = np.array([[0.0, 20.0], [90.0, np.nan]])
    np.testing.assert_allclose(scale.to_label(scale.to_model(given)), given)
    with pytest.raises(InputError, match=r"got a label of -1; expected labels above 0"):
        scale.to_model(np.array([[50.0, -1.0]]))
