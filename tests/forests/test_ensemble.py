"""Trees of several forests go down together, and say what each forest says alone."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor

from acorn.forests import Ensemble, Member, PackedForest
from acorn.forests._trees.shap import TreeShap
from acorn.learning.fitting import effects_member
from tests.forests.trees import tree_predictions

COLUMNS = 8
MEMBERS = (((0, 1, 2, 3), (0, 1, 2)), ((7, 0, 5), (1,)), ((6, 4), (3, 0)))
"""Columns and targets of each."""


def rows(n: int, seed: int = 0, missing: float = 0.1) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, COLUMNS)).astype(np.float32)
    X[rng.random(X.shape) < missing] = np.nan
    return X


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    X = rows(200)
    Y = 50 + np.nan_to_num(X[:, :4]) * 10 + np.random.default_rng(1).normal(size=(200, 4))
    members = []
    for number, (columns, targets) in enumerate(MEMBERS):
        labels = Y[:, targets] if len(targets) > 1 else Y[:, targets[0]]
        grown = ExtraTreesRegressor(5 + number, random_state=number).fit(X[:, columns], labels)
        members.append(Member(PackedForest.from_sklearn(grown), columns, targets))
    return Ensemble(members)


def trees_of(ensemble: Ensemble, X: NDArray[np.float32], target: int) -> NDArray[np.float64]:
    """Each tree's prediction of a target, forest by forest."""
    return np.concatenate(
        [
            tree_predictions(forest, X[:, columns])[:, :, targets.index(target)]
            for forest, columns, targets, *_ in ensemble.members
            if target in targets
        ]
    )


@pytest.mark.parametrize("targets", [[0, 1, 2, 3], [1], [3, 0], [2, 1]])
def test_mean_and_spread_are_over_all_trees_of_a_target(
    ensemble: Ensemble, targets: list[int]
) -> None:
    X = rows(60, seed=2)
    mean, spread = ensemble.distribution(X, targets)
    for column, target in enumerate(targets):
        trees = trees_of(ensemble, X, target)
        np.testing.assert_allclose(mean[:, column], trees.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(spread[:, column], trees.std(axis=0), rtol=0, atol=1e-6)


def test_trees_have_the_weight_of_their_member(ensemble: Ensemble) -> None:
    X = rows(60, seed=2)
    first, *others = ensemble.members
    weighted = Ensemble([first._replace(weight=3.0), *others])
    mean, spread = weighted.distribution(X, [0, 1])
    # A weight of 3 is the same as to have each tree three times.
    same_mean, same_spread = Ensemble([first, first, first, *others]).distribution(X, [0, 1])
    np.testing.assert_allclose(mean, same_mean, rtol=1e-12)
    np.testing.assert_allclose(spread, same_spread, rtol=1e-9)
    assert_explained(weighted, X, mean)


def assert_explained(ensemble: Ensemble, X: NDArray[np.float32], mean: NDArray[np.float64]) -> None:
    """Check that attributions of both kinds add up to the predictions of the first targets."""
    targets = range(mean.shape[1])
    for explained in (
        ensemble.attributions(X, targets),
        TreeShap(ensemble).attributions(X, targets),
    ):
        for column, attribution in enumerate(explained):
            total = attribution.baseline + attribution.contributions.sum(axis=1)
            np.testing.assert_allclose(total, mean[:, column], rtol=1e-6)


def test_effects_of_levels_are_added_to_predictions(ensemble: Ensemble) -> None:
    X = rows(60, missing=0)
    X[:, :2] = 0.0
    X[:20, 0] = X[20:30, 1] = 1.0  # the others are of no known level
    effects = effects_member(
        np.array([[1.5, -2.0], [0.5, 3.0]]), np.array([7, 4]), [0, 1], targets=(0, 1)
    )
    assert effects.additive
    both = Ensemble([*ensemble.members, effects])
    (plain, spread), (shifted, same_spread) = (e.distribution(X, [0, 1]) for e in (ensemble, both))
    expected = np.zeros((60, 2))
    expected[:20], expected[20:30] = [1.5, -2.0], [0.5, 3.0]
    np.testing.assert_allclose(shifted - plain, expected, atol=1e-6)
    np.testing.assert_array_equal(spread, same_spread)
    assert_explained(both, X, shifted)


def test_boosted_trees_count_in_the_mean_alone(ensemble: Ensemble) -> None:
    X = rows(200, missing=0)
    grown = GradientBoostingRegressor(
        n_estimators=8, learning_rate=0.25, init="zero", random_state=0
    ).fit(X[:, :3], X[:, 0] * 10)
    # 8 trees at rate 0.25: the sum is the mean of trees that are twice as large.
    packed = PackedForest.from_sklearn(grown, scale=np.array([2.0]), shift=np.array([50.0]))
    boosted = Member(packed, (0, 1, 2), (0,), boosted=True)
    alone, no_spread = Ensemble([boosted]).distribution(X, [0])
    np.testing.assert_allclose(alone[:, 0], 50 + grown.predict(X[:, :3]), rtol=1e-6)
    assert not no_spread.any()
    averaged, spread = ensemble.distribution(X, [0, 1])
    both, same_spread = Ensemble([*ensemble.members, boosted]).distribution(X, [0, 1])
    trees = sum(m.forest.n_trees for m in ensemble.members if 0 in m.targets)
    expected = (averaged[:, 0] * trees + alone[:, 0] * 8) / (trees + 8)
    np.testing.assert_allclose(both[:, 0], expected, rtol=1e-12)
    np.testing.assert_array_equal(both[:, 1], averaged[:, 1])
    np.testing.assert_array_equal(same_spread, spread)
    explained = Ensemble([*ensemble.members, boosted]).attributions(X, [0])[0]
    total = explained.baseline + explained.contributions.sum(axis=1)
    np.testing.assert_allclose(total, both[:, 0], rtol=1e-6)


@pytest.mark.parametrize("targets", [[0, 1, 2, 3], [1]])
def test_a_row_is_answered_alike_alone_and_among_others(
    ensemble: Ensemble, targets: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    X = rows(50, seed=3)
    whole = ensemble.distribution(X, targets)
    alone = [ensemble.distribution(X[i : i + 1], targets) for i in range(len(X))]
    for together, apart in zip(whole, zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(together, np.concatenate(apart))
    monkeypatch.setattr("acorn.forests._trees.walking.PAIRS_AT_ONCE", 64)
    for together, in_parts in zip(whole, ensemble.distribution(X, targets), strict=True):
        np.testing.assert_array_equal(together, in_parts)


def test_attributions_add_up_and_name_columns_of_the_ensemble(ensemble: Ensemble) -> None:
    X = rows(20, seed=4)
    mean, _ = ensemble.distribution(X, [3, 1])
    for column, found in enumerate(ensemble.attributions(X, [3, 1])):
        total = found.baseline + found.contributions.sum(axis=1)
        np.testing.assert_allclose(total, mean[:, column], rtol=0, atol=1e-9)
    only_of_the_third = ensemble.attributions(X, [3])[0].contributions
    unread = [column for column in range(COLUMNS) if column not in MEMBERS[2][0]]
    assert not only_of_the_third[:, unread].any()
    assert only_of_the_third[:, list(MEMBERS[2][0])].any()


def test_no_rows(ensemble: Ensemble) -> None:
    mean, spread = ensemble.distribution(rows(0), [0, 1])
    assert mean.shape == spread.shape == (0, 2)
