"""Which targets forests on smooth labels have, and what becomes of the others."""

import numpy as np
import pytest

from acorn.learning.fitting import Configuration, grow, narrowed
from acorn.learning.model_selection import MARGIN, PLAIN, SMOOTH, Problem, compositions, preferred

TREES = Configuration(trees=10, features="structure")


@pytest.fixture(scope="module")
def problem():
    """Two targets that follow a feature, and one that is zero but for the best networks."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3)).astype(np.float32)
    noise = rng.normal(size=(150, 2))
    strong = np.where(X[:, 0] > 1.8, 2.0, 0.0)
    Y = np.column_stack([70 + 5 * X[:, 0] + noise[:, 0], 30 + 4 * X[:, 0] + noise[:, 1], strong])
    ids = [f"nats_tss/{i}" for i in range(150)]
    targets = ["clean", "pgd_linf_1.0", "pgd_linf_8.0"]
    return Problem(ids, X, targets, Y, {"structure": [0, 1, 2]}, seed=0, n_jobs=1)


def test_targets_that_are_mostly_one_value_decide_nothing(problem):
    assert problem.telling == [0, 1]


def test_a_target_that_cannot_be_smoothed_is_left_to_trees(problem):
    rows = np.ones(150, bool)
    smooth = problem.grow(TREES.but(composition="smooth"), rows)
    assert [tuple(member.targets) for member in smooth.members] == [(2,), (0, 1)]
    plain = problem.grow(TREES, rows)
    dull = smooth.distribution(problem.X, [2])[0]
    assert np.array_equal(dull, plain.distribution(problem.X, [2])[0])
    assert np.allclose(dull[:, 0], problem.Y[:, 2])  # grown on all targets, whole
    value = smooth.distribution(problem.X, [0])[0][:, 0]
    assert np.abs(value - problem.Y[:, 0]).mean() > 0.3  # not the labels themselves


def test_a_blend_is_the_mean_of_both(problem):
    rows = np.ones(150, bool)
    blend, smooth, plain = (
        problem.grow(TREES.but(composition=name), rows).distribution(problem.X, [0, 1])[0]
        for name in ("blend", "smooth", "joint")
    )
    assert np.allclose(blend, (smooth + plain) / 2)


def test_compositions_are_those_that_growing_gives(problem):
    found = compositions(problem, TREES, SMOOTH)
    assert [*found] == ["smooth", "blend"]
    fold = problem.folds(5)
    again = problem.grow(TREES.but(composition="smooth"), fold != 0)
    own = problem.X[fold == 0]
    assert np.array_equal(found["smooth"].value[fold == 0], again.distribution(own, range(3))[0])
    assert {*compositions(problem, TREES, PLAIN)} == {"both", "joint", "kind"}


def test_proxies_must_gain_more_than_noise_over_what_is_free():
    free, dear = Configuration(features="space"), Configuration(features="space_and_proxies")
    plain = free.but(algorithm="random_forest")
    assert preferred({dear: 0.75, free: 0.75 - MARGIN / 2, plain: 0.7}, ["space"]) == free
    assert preferred({dear: 0.75, free: 0.75 - MARGIN / 2}, []) == dear
    assert preferred({dear: 0.75, free: 0.75 - 2 * MARGIN}, ["space"]) == dear


def test_narrowed_members_predict_what_the_whole_ones_do(problem):
    whole = grow(problem.X, problem.Y, [(0, 1), (2,)], [0, 1, 2], TREES, seed=0, n_jobs=1)
    kept = narrowed(whole.members, {1})
    assert [tuple(member.targets) for member in kept] == [(1,)]
    assert np.array_equal(kept[0].forest.predict(problem.X)[:, 0],
                          whole.members[0].forest.predict(problem.X)[:, 1])  # fmt: skip
