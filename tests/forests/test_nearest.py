"""Distances by the smallest common node, against a search of every tree."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.tree import DecisionTreeRegressor

from acorn.forests import Ensemble, Member, PackedForest
from acorn.forests.nearest import NearestRows

MEMBERS = (((0, 1, 2), (0, 1), 1.0), ((3, 1), (1,), 3.0))
"""Columns, targets and weight of each."""

TREES = 6


def rows(n: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32).round(1)


def fit(min_samples_leaf: int) -> tuple[Ensemble, list[ExtraTreesRegressor]]:
    X, Y = rows(80, seed=0), rows(80, seed=1)
    members, grown = [], []
    for columns, targets, weight in MEMBERS:
        labels = Y[:, targets] if len(targets) > 1 else Y[:, targets[0]]
        trees = ExtraTreesRegressor(TREES, min_samples_leaf=min_samples_leaf, random_state=0)
        grown.append(trees.fit(X[:, columns], labels))
        packed = PackedForest.from_sklearn(trees)
        members.append(Member(packed, columns, targets, weight=weight))
    return Ensemble(members), grown


def smallest_common(
    tree: DecisionTreeRegressor, X: NDArray[np.float32], x: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Rows in the smallest node that both reach, row by row."""
    reaches = tree.decision_path(X).toarray().astype(bool)
    own = tree.decision_path(x).toarray()[0].astype(bool)
    sizes = reaches.sum(axis=0)
    return np.array([sizes[path & own].min() for path in reaches])


@pytest.mark.parametrize("min_samples_leaf", [1, 5])
@pytest.mark.parametrize("targets", [[0], [1], [0, 1]])
def test_distances_are_shares_of_the_smallest_common_node(
    min_samples_leaf: int, targets: list[int]
) -> None:
    ensemble, grown = fit(min_samples_leaf)
    table, queries = rows(50, seed=2), rows(8, seed=3)
    nearest = NearestRows(ensemble, table)
    for x in queries[:, None]:
        total, weights = np.zeros(len(table)), 0.0
        for (columns, own, weight), trees in zip(MEMBERS, grown, strict=True):
            if {*own} & {*targets}:
                for tree in trees.estimators_:
                    total += weight * smallest_common(tree, table[:, columns], x[:, columns])
                    weights += weight
        found = nearest.distances(x, targets)
        np.testing.assert_allclose(found, total / weights / len(table), rtol=1e-12)


def test_a_row_is_nearest_to_itself() -> None:
    ensemble, _ = fit(1)
    table = np.unique(rows(50, seed=2), axis=0)
    nearest = NearestRows(ensemble, table)
    for row in range(len(table)):
        distances = nearest.distances(table[row : row + 1], [0, 1])
        assert distances[row] == distances.min()


def test_one_row_has_distance_one() -> None:
    ensemble, _ = fit(1)
    nearest = NearestRows(ensemble, rows(1, seed=2))
    assert nearest.distances(rows(1, seed=3), [0]).tolist() == [1.0]
