"""Which targets forests on smooth labels have, and what becomes of the others."""

import numpy as np
import pytest

from acorn.forests import Ensemble
from acorn.learning.composition import Composition, restricted
from acorn.learning.fitting import Configuration, fit_forests
from acorn.learning.model_selection import MARGIN, cross_validate_compositions, preferred
from acorn.learning.training_data import TrainingData

TREES = Configuration(trees=10, features="structure")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Two targets that follow a feature, and one that is zero but for the best networks."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3)).astype(np.float32)
    noise = rng.normal(size=(150, 2))
    strong = np.where(X[:, 0] > 1.8, 2.0, 0.0)
    Y = np.column_stack([70 + 5 * X[:, 0] + noise[:, 0], 30 + 4 * X[:, 0] + noise[:, 1], strong])
    ids = [f"nats_tss/{i}" for i in range(150)]
    targets = ["clean", "pgd_linf_1.0", "pgd_linf_8.0"]
    return TrainingData(ids, X, targets, Y, {"structure": [0, 1, 2]}, seed=0, n_jobs=1)


def test_targets_that_are_mostly_one_value_decide_nothing(data: TrainingData) -> None:
    assert data.groups.informative == [0, 1]


def test_a_target_that_cannot_be_smoothed_is_left_to_trees(data: TrainingData) -> None:
    rows = np.ones(150, bool)
    smooth = data.fit(TREES.but(composition=Composition.SMOOTH), rows)
    assert [tuple(member.targets) for member in smooth.members] == [(2,), (0, 1)]
    plain = data.fit(TREES, rows)
    constant = smooth.distribution(data.X, [2])[0]
    assert np.array_equal(constant, plain.distribution(data.X, [2])[0])
    assert np.allclose(constant[:, 0], data.Y[:, 2])  # grown on all targets, whole
    value = smooth.distribution(data.X, [0])[0][:, 0]
    assert np.abs(value - data.Y[:, 0]).mean() > 0.3  # not the labels themselves


@pytest.mark.slow
def test_a_blend_is_the_mean_of_both(data: TrainingData) -> None:
    rows = np.ones(150, bool)
    blend, smooth, plain = (
        data.fit(TREES.but(composition=composition), rows).distribution(data.X, [0, 1])[0]
        for composition in (Composition.BLEND, Composition.SMOOTH, Composition.JOINT)
    )
    assert np.allclose(blend, (smooth + plain) / 2)


@pytest.mark.slow
def test_compositions_are_those_that_growing_gives(data: TrainingData) -> None:
    found = cross_validate_compositions(data, TREES, smoothed=True)
    assert [candidate.composition for candidate in found] == ["smooth", "blend"]
    fold = data.folds(5)
    again = data.fit(TREES.but(composition=Composition.SMOOTH), fold != 0)
    own = data.X[fold == 0]
    assert np.array_equal(
        found[TREES.but(composition=Composition.SMOOTH)].value[fold == 0],
        again.distribution(own, range(3))[0],
    )
    plain = cross_validate_compositions(data, TREES, smoothed=False)
    assert {candidate.composition for candidate in plain} == {"both", "joint", "kind"}


def test_proxies_must_gain_more_than_noise_over_what_is_free() -> None:
    free, dear = Configuration(features="space"), Configuration(features="space_and_proxies")
    plain = free.but(algorithm="random_forest")
    assert preferred({dear: 0.75, free: 0.75 - MARGIN / 2, plain: 0.7}, ["space"]) == free
    assert preferred({dear: 0.75, free: 0.75 - MARGIN / 2}, []) == dear
    assert preferred({dear: 0.75, free: 0.75 - 2 * MARGIN}, ["space"]) == dear


def test_narrowed_members_predict_what_the_whole_ones_do(data: TrainingData) -> None:
    whole = fit_forests(data.X, data.Y, [(0, 1), (2,)], [0, 1, 2], TREES, seed=0, n_jobs=1)
    kept = restricted(whole.members, {1})
    assert [tuple(member.targets) for member in kept] == [(1,)]
    before, after = whole.distribution(data.X, [1]), Ensemble(kept).distribution(data.X, [1])
    np.testing.assert_array_equal(after, before)
