"""Targets with a unit of their own: one entry of the table of targets is all that they need."""

import json
import math
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
from acorn.spaces import get_space
from acorn.targets import Target
from service.prediction.space_map import _axis
from training.evaluation.evaluate import evaluate
from training.labels.importers import import_table
from training.labels.reading import read_labels
from training.nas.objectives import Objectives

SPACE = get_space("nats_tss")
SETTINGS = ProxySettings(
    dataset="cifar10", batch="noise", batch_size=4, batch_digest="0" * 64, seed=0
)
LATENCY = Target("latency.<device>", "latency", unit="ms", upper=math.inf, higher_is_better=False)
OPERATIONS = ("3x3~", "1x1~", "skip", "none")


@pytest.fixture(scope="module", autouse=True)
def latency() -> Iterator[None]:
    """The one place that a new unit takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(targets.TARGETS, r"latency\.[a-z0-9]+", LATENCY)
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
            "cifar10.latency.pi4": 200 + 150 * size + 10 * noise[2],
        }
    )
    path = tmp_path_factory.mktemp("labels") / "labels.parquet"
    frame.write_parquet(path)
    return read_labels([str(path)], space="nats_tss", dataset="cifar10")


@pytest.fixture(scope="module")
def bundle(labels: Labels, tmp_path_factory: pytest.TempPathFactory, few_steps: None) -> Bundle:
    rows = [
        FeatureRow(id_, {f"cell.{op}": float(id_.count(op)) for op in OPERATIONS})
        for id_ in sorted(set(labels.ids))
    ]
    out = tmp_path_factory.mktemp("bundles") / "fast"
    known = labels.only(set(labels.ids[:200]))
    table = FeatureTable.from_rows(rows, SETTINGS)
    return train_bundle(known, table, out, configuration=Configuration(trees=10), n_jobs=1)


def test_labels_are_read_in_their_unit(labels: Labels) -> None:
    assert labels.targets == ["clean", "throughput.a100", "latency.pi4"]
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
    assert predicted["latency.pi4"].upper.max() > 500
    assert predicted["clean"].upper.max() <= 100
    unbounded = bundle.predict(X, targets=["throughput.a100"], interval=1 - 1e-9)
    json.dumps(unbounded["throughput.a100"].upper.tolist(), allow_nan=False)
    assert not unbounded["throughput.a100"].lower.any()


def test_attributions_add_up_on_the_log_scale(bundle: Bundle) -> None:
    X = bundle.table.matrix(bundle.feature_names)[:5]
    (value, _, _) = bundle.predict(X, targets=["throughput.a100"])["throughput.a100"]
    baseline, contributions = bundle.attributions(X, targets=["throughput.a100"])["throughput.a100"]
    np.testing.assert_allclose(np.exp(baseline + contributions.sum(axis=1)), value, rtol=1e-5)


def test_scores_are_in_the_unit_of_the_target(bundle: Bundle, labels: Labels) -> None:
    evaluated = evaluate(bundle, labels)["targets"]
    for name, least in {"clean": 0, "throughput.a100": 50, "latency.pi4": 1}.items():
        for scores in (evaluated[name]["all"], bundle.manifest.scores[name]):
            mae, coverage, r2 = (scores[key] or 0.0 for key in ("mae", "coverage", "r2"))
            assert (mae > least, coverage > 0.75, r2 > 0.5) == (True, True, True)


def test_searches_and_maps_know_the_direction() -> None:
    frame = pl.DataFrame({"clean.lower": [90.0], "latency.pi4.upper": [300.0], "params": [1.0]})
    wanted = Objectives(["clean", "latency.pi4", "params"], pessimistic=True)
    assert wanted.values(frame).tolist() == [[90, -300, -1]]
    axis = _axis("latency.pi4")
    assert (axis.unit, axis.better) == ("ms", "lower")


def test_a_label_that_has_no_logarithm_is_refused() -> None:
    scale = LabelScale.of(["clean", "throughput.a"])
    given = np.array([[0.0, 20.0], [90.0, np.nan]])
    np.testing.assert_allclose(scale.to_label(scale.to_model(given)), given)
    with pytest.raises(InputError, match=r"got a label of -1; expected labels above 0"):
        scale.to_model(np.array([[50.0, -1.0]]))
