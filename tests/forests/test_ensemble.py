"""Trees of several forests go down together, and say what each forest says alone."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from acorn.forests import Ensemble, Member, PackedForest
from tests.forests.trees import tree_predictions

COLUMNS = 8
MEMBERS = (((0, 1, 2, 3), (0, 1, 2)), ((7, 0, 5), (1,)), ((6, 4), (3, 0)))
"""Columns and targets of each."""


def rows(n, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, COLUMNS)).astype(np.float32)
    X[rng.random(X.shape) < missing] = np.nan
    return X


@pytest.fixture(scope="module")
def ensemble():
    X = rows(200)
    Y = 50 + np.nan_to_num(X[:, :4]) * 10 + np.random.default_rng(1).normal(size=(200, 4))
    members = []
    for number, (columns, targets) in enumerate(MEMBERS):
        labels = Y[:, targets] if len(targets) > 1 else Y[:, targets[0]]
        grown = ExtraTreesRegressor(5 + number, random_state=number).fit(X[:, columns], labels)
        members.append(Member(PackedForest.from_sklearn(grown), columns, targets))
    return Ensemble(members)


def trees_of(ensemble, X, target):
    """Each tree's prediction of a target, forest by forest."""
    return np.concatenate(
        [
            tree_predictions(forest, X[:, columns])[:, :, targets.index(target)]
            for forest, columns, targets in ensemble.members
            if target in targets
        ]
    )


@pytest.mark.parametrize("targets", [[0, 1, 2, 3], [1], [3, 0], [2, 1]])
def test_mean_and_spread_are_over_all_trees_of_a_target(ensemble, targets):
    X = rows(60, seed=2)
    mean, spread = ensemble.distribution(X, targets)
    for column, target in enumerate(targets):
        trees = trees_of(ensemble, X, target)
        np.testing.assert_allclose(mean[:, column], trees.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(spread[:, column], trees.std(axis=0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("targets", [[0, 1, 2, 3], [1]])
def test_a_row_is_answered_alike_alone_and_among_others(ensemble, targets, monkeypatch):
    X = rows(50, seed=3)
    whole = ensemble.distribution(X, targets)
    alone = [ensemble.distribution(X[i : i + 1], targets) for i in range(len(X))]
    for together, apart in zip(whole, zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(together, np.concatenate(apart))
    monkeypatch.setattr("acorn.forests._trees.walking.PAIRS_AT_ONCE", 64)
    for together, in_parts in zip(whole, ensemble.distribution(X, targets), strict=True):
        np.testing.assert_array_equal(together, in_parts)


def test_attributions_add_up_and_name_columns_of_the_ensemble(ensemble):
    X = rows(20, seed=4)
    mean, _ = ensemble.distribution(X, [3, 1])
    for column, found in enumerate(ensemble.attributions(X, [3, 1])):
        total = found.baseline + found.contributions.sum(axis=1)
        np.testing.assert_allclose(total, mean[:, column], rtol=0, atol=1e-9)
    only_of_the_third = ensemble.attributions(X, [3])[0].contributions
    unread = [column for column in range(COLUMNS) if column not in MEMBERS[2][0]]
    assert not only_of_the_third[:, unread].any()
    assert only_of_the_third[:, list(MEMBERS[2][0])].any()


def test_no_rows(ensemble):
    mean, spread = ensemble.distribution(rows(0), [0, 1])
    assert mean.shape == spread.shape == (0, 2)
