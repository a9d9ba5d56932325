"""TreeSHAP against the definition of Shapley values, on forests small enough to enumerate."""

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from acorn.errors import InputError, TimeBudgetError
from acorn.forests import Bundle, Ensemble, Member, PackedForest
from acorn.forests._trees.shap import TreeShap
from tests.forests.trees import predict

ForestType = type[RandomForestRegressor] | type[ExtraTreesRegressor]
KINDS = [ExtraTreesRegressor, RandomForestRegressor]


def expectation(
    tree: Any, node: int, x: NDArray[np.float32], known: tuple[int, ...]
) -> NDArray[np.float64]:
    """Mean leaf when only the known features decide; every other test follows training's shares."""
    if tree.children_left[node] < 0:
        return tree.value[node, :, 0]
    left, right = tree.children_left[node], tree.children_right[node]
    value = x[tree.feature[node]]
    if tree.feature[node] in known:
        goes_left = (
            tree.missing_go_to_left[node] if np.isnan(value) else value <= tree.threshold[node]
        )
        return expectation(tree, left if goes_left else right, x, known)
    share = tree.weighted_n_node_samples[left] / tree.weighted_n_node_samples[node]
    return share * expectation(tree, left, x, known) + (1 - share) * expectation(
        tree, right, x, known
    )


def by_definition(
    forest: Any, x: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shapley values, shape (features, outputs), over all subsets of features."""
    n = forest.n_features_in_
    game = {
        known: np.mean([expectation(e.tree_, 0, x, known) for e in forest.estimators_], axis=0)
        for size in range(n + 1)
        for known in combinations(range(n), size)
    }
    found = np.zeros((n, len(game[()])))
    for known, value in game.items():
        for feature in set(range(n)) - set(known):
            chance = factorial(len(known)) * factorial(n - len(known) - 1) / factorial(n)
            found[feature] += chance * (game[tuple(sorted((*known, feature)))] - value)
    return game[()], found


def data(
    rows: int = 60, columns: int = 5, outputs: int = 2, seed: int = 0, missing: float = 0.1
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns)).astype(np.float32)
    Y = 50 + 10 * X[:, :outputs] * X[:, 1 : outputs + 1] + rng.normal(size=(rows, outputs))
    X[rng.random(X.shape) < missing] = np.nan
    return X, Y


def explain(
    forest: Any, X: NDArray[np.float32], **options: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All outputs of a scikit-learn forest: baseline (outputs,), values (n, features, outputs)."""
    packed = PackedForest.from_sklearn(forest)
    member = Member(packed, range(packed.n_features), range(packed.n_outputs))
    shap = TreeShap(Ensemble([member]))
    found = shap.attributions(X, range(packed.n_outputs), **options)
    baselines = np.array([each.baseline for each in found])
    return baselines, np.stack([each.contributions for each in found], axis=2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("columns", [2, 5, 7])
@pytest.mark.parametrize("leaf", [1, 6])
def test_values_are_those_of_the_definition(kind: ForestType, columns: int, leaf: int) -> None:
    X, Y = data(columns=columns, outputs=min(2, columns - 1))
    forest = kind(6, min_samples_leaf=leaf, random_state=0).fit(X, Y if columns > 2 else Y[:, 0])
    rows, _ = data(3, columns, seed=1, missing=0.3)
    baseline, values = explain(forest, rows)
    for x, found in zip(rows, values, strict=True):
        empty, expected = by_definition(forest, x)
        np.testing.assert_allclose(baseline, empty, rtol=0, atol=1e-5)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_feature_tested_again_and_again() -> None:
    """Deep paths of one feature and of two: each test must count as the same feature's."""
    rng = np.random.default_rng(0)
    X = rng.random((200, 2)).astype(np.float32)
    forest = RandomForestRegressor(3, random_state=0).fit(X, np.sin(20 * X[:, 0]) + X[:, 1])
    _, values = explain(forest, X[:5])
    for x, found in zip(X, values[:, :, 0], strict=False):
        np.testing.assert_allclose(found, by_definition(forest, x)[1][:, 0], rtol=0, atol=1e-6)


@given(seed=st.integers(0, 999), columns=st.integers(2, 9), rows=st.integers(2, 40))
@settings(max_examples=25)
def test_efficiency_and_dummy(seed: int, columns: int, rows: int) -> None:
    """Values add up to the prediction, and a feature that no tree tests has none."""
    X, Y = data(rows, columns, 1, seed)
    forest = ExtraTreesRegressor(4, max_features=1, random_state=seed).fit(X, Y[:, 0])
    baseline, values = explain(forest, X)
    predicted = predict(PackedForest.from_sklearn(forest), X)
    np.testing.assert_allclose(baseline + values.sum(axis=1), predicted, rtol=0, atol=1e-10)
    tested = {f for each in forest.estimators_ for f in each.tree_.feature if f >= 0}
    for feature in set(range(columns)) - tested:
        assert not values[:, feature].any()


@given(seed=st.integers(0, 999), first=st.integers(0, 3), second=st.integers(0, 3))
@settings(max_examples=25)
def test_symmetry(seed: int, first: int, second: int) -> None:
    """Swapping two columns in the trees and in the rows swaps their values, and nothing else."""
    X, Y = data(40, 4, 2, seed)
    packed = PackedForest.from_sklearn(RandomForestRegressor(3, random_state=seed).fit(X, Y))
    swap = np.arange(4)
    swap[[first, second]] = swap[[second, first]]
    plain, swapped = (
        TreeShap(Ensemble([Member(packed, columns, [0, 1])])).attributions(rows, [0, 1])
        for columns, rows in ((range(4), X[:4]), (swap.tolist(), X[:4, swap]))
    )
    for one, other in zip(plain, swapped, strict=True):
        assert one.baseline == other.baseline
        np.testing.assert_array_equal(one.contributions[:, swap], other.contributions)


def test_interchangeable_features_get_the_same() -> None:
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    forest = ExtraTreesRegressor(1, random_state=0).fit(X, [0, 0, 0, 12])  # both are needed
    baseline, values = explain(forest, X[3:])
    assert baseline[0] == pytest.approx(3)
    np.testing.assert_allclose(values[0, :, 0], [4.5, 4.5])


def test_members_are_weighed_by_their_trees_and_keep_to_their_columns() -> None:
    X, Y = data(columns=5, outputs=3)
    joint = PackedForest.from_sklearn(
        ExtraTreesRegressor(6, random_state=0).fit(X[:, [4, 0, 2]], Y)
    )
    single = PackedForest.from_sklearn(
        ExtraTreesRegressor(9, random_state=1).fit(X[:, 1:3], Y[:, 1])
    )
    ensemble = Ensemble([Member(joint, [4, 0, 2], [0, 1, 2]), Member(single, [1, 2], [1])])
    predicted, _ = ensemble.distribution(X, [1, 2])
    found = TreeShap(ensemble).attributions(X, [1, 2])
    for i, (baseline, contributions) in enumerate(found):
        total = baseline + contributions.sum(axis=1)
        np.testing.assert_allclose(total, predicted[:, i], rtol=0, atol=1e-10)
    assert not found[0].contributions[:, 3].any()
    assert not found[1].contributions[:, [1, 3]].any()
    assert found[0].contributions[:, 1].any()


def test_many_trees_and_outputs_are_explained_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = data(outputs=4)
    forest = ExtraTreesRegressor(7, random_state=0).fit(X, Y)
    whole = explain(forest, X[:6])[1]
    monkeypatch.setattr("acorn.forests._trees.shap._TREES_AT_ONCE", 2)
    monkeypatch.setattr("acorn.forests._trees.shap._OUTPUTS_AT_ONCE", 3)
    np.testing.assert_allclose(explain(forest, X[:6])[1], whole, rtol=0, atol=1e-12)


def test_trees_of_one_leaf_and_no_rows() -> None:
    X = np.zeros((10, 2), np.float32)
    constant = RandomForestRegressor(2).fit(X, np.full(10, 7.0))
    baseline, values = explain(constant, X[:1])
    assert baseline.tolist() == [7.0]
    assert not values.any()
    assert explain(constant, X[:0])[1].shape == (0, 2, 1)


def test_weights_of_bootstrapped_rows_count() -> None:
    """The baseline is the mean over each tree's own training rows, repeated ones included."""
    X, Y = data(missing=0)
    forest = RandomForestRegressor(5, random_state=0).fit(X, Y)
    roots = np.mean([each.tree_.value[0, :, 0] for each in forest.estimators_], axis=0)
    np.testing.assert_allclose(explain(forest, X[:1])[0], roots, rtol=0, atol=1e-5)


def test_a_spent_budget_is_an_error_that_says_what_to_ask_for() -> None:
    X, Y = data()
    forest = RandomForestRegressor(5, random_state=0).fit(X, Y)
    explain(forest, X, seconds=60)
    with pytest.raises(TimeBudgetError, match=r"60 architectures and 2 targets take more than 0 s"):
        explain(forest, X, seconds=0)
    assert issubclass(TimeBudgetError, InputError)


def test_a_bundle_offers_both_methods(bundle: Bundle) -> None:
    X = np.random.default_rng(1).normal(size=(6, 6)).astype(np.float32)
    predicted = bundle.predict(X)
    for method in ("path", "shap"):
        found = bundle.attributions(X, method=method, targets=["pgd_linf_1", "clean"])
        assert list(found) == ["pgd_linf_1", "clean"]
        for name, (baseline, contributions) in found.items():
            total = baseline + contributions.sum(axis=1)
            value = predicted[bundle.target(name)].value
            np.testing.assert_allclose(total, value, rtol=0, atol=1e-9)
    paths = bundle.attributions(X)["clean"]
    values = bundle.attributions(X, method="shap")["clean"]
    assert values.baseline == pytest.approx(paths.baseline, abs=1e-4)
    assert np.abs(values.contributions - paths.contributions).max() > 0.1
    with pytest.raises(TimeBudgetError):
        bundle.attributions(X, method="shap", seconds=0)
