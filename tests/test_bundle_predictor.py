"""A bundle that predicts for specs: canonical forms, table or computed features, bad specs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import acorn
from acorn.bundle_predictor import BundlePredictor
from acorn.errors import BundleError, InputError, InvalidArchitectureError

ROOT = Path(__file__).parents[1]
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


@pytest.fixture(scope="module")
def predictor() -> BundlePredictor:
    return acorn.load_bundle("nats_tss-cifar10", device="cpu")


def spec(arch: object = CELL, space: object = "nats_tss") -> dict[str, object]:
    return {"space": space, "arch": arch}


def test_predictions_are_those_of_the_bundle(predictor: BundlePredictor) -> None:
    bundle = predictor.bundle
    ids = bundle.table.ids[:20]
    specs = [spec(id_.partition("/")[2]) for id_ in ids]
    predicted = predictor.predict(specs, interval=0.8)
    X = bundle.table.matrix(bundle.feature_names, ids)
    expected = bundle.predict(X, interval=0.8)
    assert list(predicted) == list(bundle.targets)
    for target, prediction in predicted.items():
        assert prediction.value.shape == (20,)
        np.testing.assert_array_equal(prediction, expected[target])
    in_domain, score = predictor.in_domain(specs)
    np.testing.assert_array_equal(in_domain, bundle.outliers(X, ids)[0])
    assert score.shape == (20,)
    assert list(predictor.predict(specs[:1], ["clean"])) == ["clean"]
    assert predictor.predict([])["clean"].value.shape == (0,)


def test_features_that_the_table_lacks_are_computed() -> None:
    universal = acorn.load_bundle("universal-cifar10", device="cpu")
    assert universal.bundle.table.row("nasbench_macro/01201201") is None
    specs = [spec("01201201", "nasbench_macro")]
    first = universal.predict(specs)["clean"]
    assert 0 <= first.lower[0] <= first.value[0] <= first.upper[0] <= 100
    np.testing.assert_array_equal(universal.predict(specs)["clean"], first)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([spec(), CELL], "spec 1: got .*; expected a mapping of space and arch"),
        ([{"space": "nats_tss"}], "spec 0: got .*; expected a mapping of space and arch"),
        ([spec("|oops|")], "spec 0: "),
        ([spec(None)], "spec 0: "),
        ([spec("64:64:64:64:64", "nats_sss")], "got space nats_sss; nats_tss-cifar10 is for"),
        ([spec(space="no_such")], "spec 0: unknown space 'no_such'"),
        ([spec(space=["nats_tss"])], "spec 0: unknown space"),
    ],
    ids=str,
)
def test_bad_specs(predictor: BundlePredictor, bad: list[object], message: str) -> None:
    with pytest.raises(InvalidArchitectureError, match=message):
        predictor.predict(bad)  # type: ignore[arg-type]


def test_other_bad_input(predictor: BundlePredictor) -> None:
    with pytest.raises(InputError, match="expected a list of specs"):
        predictor.predict(spec())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="unknown target 'snow'"):
        predictor.predict([spec()], ["snow"])
    with pytest.raises(BundleError, match="no such"):
        acorn.load_bundle("nothing-cifar10")


def test_importing_acorn_imports_no_torch() -> None:
    code = (
        "import sys, acorn\n"
        "print([n for n in ('torch', 'fastapi', 'numpy', 'polars') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
