from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from acorn.errors import BundleError
from acorn.forests._tensors import read_tensors, write_tensors
from acorn.forests._trees.packed import PackedForest, round_down
from tests.forests.trees import alone, contributions, predict, tree_predictions

ForestType = type[RandomForestRegressor] | type[ExtraTreesRegressor]
FORESTS = [RandomForestRegressor, ExtraTreesRegressor]


def data(
    rows: int = 300, columns: int = 7, outputs: int = 2, missing: float = 0.1, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns)).astype(np.float32)
    X[rng.random(X.shape) < missing] = np.nan
    known = np.nan_to_num(X)
    Y = 50 + 10 * known[:, :outputs] * known[:, 1 : outputs + 1] + rng.normal(size=(rows, outputs))
    return X, Y


def fitted(
    kind: ForestType = RandomForestRegressor, outputs: int = 2, missing: float = 0.1, **options: Any
) -> Any:
    X, Y = data(outputs=outputs, missing=missing)
    options = {"n_estimators": 12, "max_features": 0.5, "random_state": 0} | options
    return kind(**options).fit(X, Y if outputs > 1 else Y[:, 0])


@pytest.fixture(scope="module")
def packed() -> PackedForest:
    return PackedForest.from_sklearn(fitted())


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(width=32, allow_nan=False))
def test_a_rounded_threshold_decides_as_the_threshold_does(t: float, x: float) -> None:
    rounded = round_down(np.array([t]))
    assert rounded.dtype == np.float32
    assert (np.float64(x) <= t) == bool(np.float32(x) <= rounded[0])


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(-2, 2))
def test_a_rounded_threshold_decides_alike_next_to_a_float32(x: float, steps: int) -> None:
    t = np.float64(x)
    for _ in range(abs(steps)):
        t = np.nextafter(t, np.inf * np.sign(steps))
    with np.errstate(over="ignore"):
        neighbours = [x, np.nextafter(np.float32(x), np.float32(np.inf))]
    rounded = round_down(np.array([t]))[0]
    assert [np.float64(n) <= t for n in neighbours] == [bool(n <= rounded) for n in neighbours]


def test_an_infinite_threshold_stays() -> None:
    assert round_down(np.array([np.inf]))[0] == np.inf


@pytest.mark.parametrize("kind", FORESTS)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("leaf", [1, 4])
def test_predicts_what_scikit_learn_does(
    kind: ForestType, outputs: int, missing: float, leaf: int
) -> None:
    forest = fitted(kind, outputs, missing, min_samples_leaf=leaf)
    packed = PackedForest.from_bytes(PackedForest.from_sklearn(forest).to_bytes())
    X, _ = data(rows=500, missing=0.3, seed=1)  # missing also where none was in training
    expected = forest.predict(X).reshape(len(X), outputs)
    np.testing.assert_allclose(predict(packed, X), expected, rtol=0, atol=1e-5)
    trees = np.stack([tree.predict(X).reshape(len(X), outputs) for tree in forest.estimators_])
    np.testing.assert_allclose(tree_predictions(packed, X), trees, rtol=0, atol=1e-5)


def test_equal_features_take_equal_paths_at_the_threshold() -> None:
    forest = fitted(ExtraTreesRegressor, outputs=1, missing=0.0)
    tree = forest.estimators_[0].tree_
    inner = tree.feature >= 0
    X = np.zeros((inner.sum(), forest.n_features_in_), np.float32)
    X[np.arange(len(X)), tree.feature[inner]] = tree.threshold[inner].astype(np.float32)
    packed = PackedForest.from_sklearn(forest)
    np.testing.assert_allclose(predict(packed, X)[:, 0], forest.predict(X), rtol=0, atol=1e-5)


def test_targets_are_mapped_back() -> None:
    X, Y = data()
    scale, shift = np.array([2.0, 3.0]), np.array([10.0, 20.0])
    forest = RandomForestRegressor(5, random_state=0).fit(X, (Y - shift) / scale)
    packed = PackedForest.from_sklearn(forest, scale=scale, shift=shift)
    np.testing.assert_allclose(predict(packed, X), forest.predict(X) * scale + shift, atol=1e-5)


def test_mean_and_spread_are_of_the_wanted_outputs(packed: PackedForest) -> None:
    X, _ = data(rows=20, seed=2)
    trees = tree_predictions(packed, X)
    mean, spread = alone(packed).distribution(X, [1])
    np.testing.assert_allclose(mean[:, 0], trees[:, :, 1].mean(axis=0))
    np.testing.assert_allclose(spread[:, 0], trees[:, :, 1].std(axis=0), rtol=0, atol=1e-5)


def test_chunks_do_not_show(packed: PackedForest, monkeypatch: pytest.MonkeyPatch) -> None:
    X, _ = data(rows=50, seed=2)
    whole = predict(packed, X), contributions(packed, X)
    monkeypatch.setattr("acorn.forests._trees.walking.PAIRS_AT_ONCE", 30)
    monkeypatch.setattr("acorn.forests._trees.walking.CREDITS_AT_ONCE", 30)
    np.testing.assert_array_equal(predict(packed, X), whole[0])
    np.testing.assert_allclose(contributions(packed, X)[1], whole[1][1], atol=1e-12)


def test_no_rows_and_one_row(packed: PackedForest) -> None:
    assert predict(packed, np.empty((0, 7), np.float32)).shape == (0, 2)
    assert contributions(packed, np.empty((0, 7), np.float32))[1].shape == (0, 7, 2)
    X, _ = data(rows=3)
    np.testing.assert_array_equal(predict(packed, X[:1]), predict(packed, X)[:1])


def test_infinite_features_end_in_leaves_too(packed: PackedForest) -> None:
    X = np.full((2, 7), -np.inf, np.float32)
    X[1] = np.inf
    assert np.isin(tree_predictions(packed, X), packed.values).all()


def test_a_tree_of_one_leaf() -> None:
    X = np.zeros((10, 2), np.float32)
    packed = PackedForest.from_sklearn(RandomForestRegressor(2).fit(X, np.full(10, 7.0)))
    assert packed.sizes.tolist() == [1, 1]
    assert predict(packed, X[:1]).tolist() == [[7.0]]
    assert contributions(packed, X[:1])[0].tolist() == [7.0]


def test_best_first_trees_are_refused() -> None:
    forest = fitted(max_leaf_nodes=9)
    with pytest.raises(ValueError, match="best first"):
        PackedForest.from_sklearn(forest)


@pytest.mark.parametrize("kind", FORESTS)
def test_contributions_add_up(kind: ForestType) -> None:
    packed = PackedForest.from_sklearn(fitted(kind))
    X, _ = data(rows=100, missing=0.2, seed=3)
    baseline, parts = contributions(packed, X)
    total = baseline + parts.sum(axis=1)
    np.testing.assert_allclose(total, predict(packed, X), rtol=0, atol=1e-9)


def test_node_means_are_those_of_the_training_rows() -> None:
    forest = fitted()
    packed = PackedForest.from_sklearn(forest)
    means = np.concatenate([tree.tree_.value[:, 1, 0] for tree in forest.estimators_])
    np.testing.assert_allclose(
        packed._node_means.at(np.arange(len(means)), [1])[:, 0], means, rtol=0, atol=2e-5
    )


def test_contributions_go_to_the_features_that_were_tested() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)).astype(np.float32)
    forest = ExtraTreesRegressor(20, max_features=1.0, random_state=0)
    packed = PackedForest.from_sklearn(forest.fit(X[:, :3] * [1, 0, 0], X[:, 0]))
    _, parts = contributions(packed, np.ascontiguousarray(X[:, :3]))
    used = np.abs(parts[:, :, 0]).sum(axis=0)
    assert used[0] > 10 * used[1:].sum()


def test_grown_trees_are_small() -> None:
    packed = PackedForest.from_sklearn(fitted(ExtraTreesRegressor, outputs=3, missing=0.0))
    values = packed.values.nbytes
    assert len(packed.values) == 300  # one row of labels each, whatever the number of trees
    assert (len(packed.to_bytes()) - values) / packed.sizes.sum() < 6.5


def changed(packed: PackedForest, name: str, place: Any, value: float) -> dict[str, NDArray[Any]]:
    array = getattr(packed, name).copy()
    array[place] = value
    return {name: array}


CORRUPTIONS: dict[str, tuple[Callable[[PackedForest], dict[str, Any]], str]] = {
    "feature too large": (lambda p: changed(p, "feature", 3, 7), "feature 7 is not one of 7"),
    "feature negative": (lambda p: changed(p, "feature", 0, -2), "tree 0, node 0: feature -2"),
    "threshold NaN": (lambda p: changed(p, "threshold", 5, np.nan), "threshold is not a number"),
    "threshold -inf": (lambda p: changed(p, "threshold", 5, -np.inf), "threshold is not a number"),
    "count zero": (lambda p: changed(p, "count", 2, 0), "holds no training row"),
    "code outside": (lambda p: changed(p, "code", 1, 65535), "value that does not exist"),
    "value NaN": (lambda p: changed(p, "values", (4, 1), np.nan), "row 4 of values is not finite"),
    "value infinite": (lambda p: changed(p, "values", (4, 0), np.inf), "row 4 of values"),
    "leaf at the root": (lambda p: changed(p, "leaf_bits", 0, 0xFF), "tree 0, node .*one binary"),
    "no leaves": (lambda p: changed(p, "leaf_bits", slice(None), 0), "one binary tree"),
    "sizes moved": (
        lambda p: {"sizes": np.array([p.sizes[0] + 2, p.sizes[1] - 2, *p.sizes[2:]], np.uint32)},
        "one binary tree",
    ),
    "size even": (lambda p: changed(p, "sizes", 0, 4), "odd number"),
    "no trees": (lambda p: {"sizes": p.sizes[:0]}, "at least one tree"),
    "size huge": (lambda p: changed(p, "sizes", 0, 2**32 - 1), "leaf_bits has shape"),
    "leaves missing": (lambda p: {"code": p.code[:-1]}, "code has shape"),
    "tests missing": (lambda p: {"feature": p.feature[:-1]}, "feature has shape"),
    "no values": (lambda p: {"values": p.values[:0]}, "values have shape"),
    "values flat": (lambda p: {"values": p.values[:, 0]}, "values have shape"),
    "no features": (lambda _: {"n_features": 0}, "on 0 features"),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupt_forest_is_refused(packed: PackedForest, name: str) -> None:
    corrupt, message = CORRUPTIONS[name]
    with pytest.raises(BundleError, match=message):
        replace(packed, **corrupt(packed))


def test_arrays_of_another_type_are_refused(packed: PackedForest) -> None:
    arrays = read_tensors(packed.to_bytes())
    content = write_tensors({**arrays, "threshold": arrays["threshold"].astype(np.float64)})
    with pytest.raises(BundleError, match="threshold is float64; expected float32"):
        PackedForest.from_bytes(content)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 64, b"\xff" * 9])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match="not a safetensors file"):
        PackedForest.from_bytes(content)


def test_a_truncated_file_is_refused(packed: PackedForest) -> None:
    with pytest.raises(BundleError, match="not a safetensors file"):
        PackedForest.from_bytes(packed.to_bytes()[:-1])


@given(st.data())
def test_a_flipped_bit_is_refused_or_harmless(data_: st.DataObject) -> None:
    """Whatever the arrays hold, a forest that passes the check predicts, and ends."""
    content = bytearray(SMALL.to_bytes())
    place = data_.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data_.draw(st.integers(0, 7))
    try:
        forest = PackedForest.from_bytes(bytes(content))
    except BundleError:
        return
    assert np.isfinite(predict(forest, np.zeros((2, forest.n_features), np.float32))).all()


SMALL = PackedForest.from_sklearn(fitted(n_estimators=2, max_depth=3))
