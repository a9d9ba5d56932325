"""The learner for few labels."""

import numpy as np
import pytest
from numpy.typing import NDArray

from acorn.errors import InputError
from acorn.forests import Ensemble, Intervals
from acorn.learning.evaluation_metrics import tau
from acorn.learning.few_labels import Inputs, estimate, fit_ranks, prior_ranks
from acorn.learning.few_labels.columns import normal_scores
from acorn.learning.few_labels.gaussian_process import fit_process
from acorn.learning.few_labels.label_scores import LabelScores

NAMES = ["graph.log_params", "graph.path_mean", "graph.nodes", "synflow", "near"]


def population(seed: int, n: int = 200) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, len(NAMES))).astype(np.float32)
    y = 80 + 3 * np.tanh(X[:, 0]) + 2 * X[:, 1] + np.sin(2 * X[:, 2]) + rng.normal(0, 0.5, n)
    return X, y.astype(np.float64)


def test_more_labels_rank_better_and_intervals_hold() -> None:
    sizes = (8, 20, 60)
    taus, coverage = np.zeros((4, 3)), np.zeros((4, 3))
    for draw in range(4):
        X, y = population(draw)
        inputs = Inputs.of(X, NAMES)
        for place, n in enumerate(sizes):
            found = estimate(inputs, np.arange(n), y[:n, None], seed=0)
            intervals = Intervals.of_student(found.correction, found.freedom)
            half = intervals.half_width(found.value, found.deviation, 0.9, [0])
            error = np.abs(found.value[n:, 0] - y[n:])
            taus[draw, place] = tau(y[n:], found.value[n:, 0])
            coverage[draw, place] = (error <= half[n:, 0]).mean()
    mean = taus.mean(axis=0)
    assert mean[0] < mean[1] < mean[2]
    assert mean[0] > 0.4
    assert ((coverage.mean(axis=0) > 0.75) & (coverage.mean(axis=0) < 0.98)).all()


def test_left_out_predictions_are_those_of_a_fit_without_the_label() -> None:
    X, y = population(0, n=40)
    Z = normal_scores(X)
    scores = (y - y.mean()) / y.std()
    rows = np.arange(12)
    # With one length scale and noise there is no averaging, so that the identity is exact.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("acorn.learning.few_labels.gaussian_process.LENGTH_SCALES", (1.3,))
        patch.setattr("acorn.learning.few_labels.gaussian_process.NOISES", (0.1,))
        whole = fit_process(Z, Z[:, :2], rows, scores[rows])
        for row in rows:
            others = rows[rows != row]
            without = fit_process(Z, Z[:, :2], others, scores[others])
            assert whole.left_out[row] == pytest.approx(without.mean[row])


def test_the_prior_ranks_without_labels_and_labels_overrule_it() -> None:
    X, y = population(1)
    ranks = prior_ranks(X, NAMES)
    assert (ranks.min(), ranks.max()) == (0.25, 99.75)
    assert tau((X[:, 0] + X[:, 1] + X[:, 4]).astype(np.float64), ranks) > 0.9
    assert (prior_ranks(X[:, 2:4], NAMES[2:4]) == 50).all()
    falling = 160 - y
    found = estimate(Inputs.of(X, NAMES), np.arange(60), falling[:60, None], seed=0)
    assert tau(falling[60:], found.value[60:, 0]) > 0.6


def test_sizes_that_hardly_vary_count_little() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=100), 10 + 1e-3 * rng.normal(size=100)])
    ranks = prior_ranks(X.astype(np.float32), ["graph.log_params", "graph.path_mean"])
    assert tau(X[:, 0], ranks) > 0.99
    X[:, 1] = 10 * np.exp(rng.normal(size=100))
    ranks = prior_ranks(X.astype(np.float32), ["graph.log_params", "graph.path_mean"])
    assert 0.3 < tau(X[:, 1], ranks) < 0.9


def test_trees_add_up_to_the_ranks_of_the_prior() -> None:
    X, _ = population(3)
    X[::7, 0] = np.nan
    member, shares = fit_ranks(X, NAMES)
    assert {NAMES[column] for column in member.features} == {*NAMES[:2], "near"}
    assert sum(shares) == pytest.approx(1)
    scores, spread = Ensemble([member]).distribution(X, [0])
    assert (spread == 0).all()
    assert (scores.mean(), scores.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1))
    complete = np.isfinite(X).all(axis=1)  # a missing value goes to the larger part of each split
    assert tau(prior_ranks(X, NAMES)[complete], scores[complete, 0]) > 0.999
    with pytest.raises(InputError, match="got 19 architectures"):
        fit_ranks(X[:19], NAMES)
    with pytest.raises(InputError, match="got no feature that varies"):
        fit_ranks(X[:, 2:4], NAMES[2:4])


def test_a_cheap_target_helps_a_dear_one() -> None:
    X, y = population(2)
    dear = 0.5 * y - 10 + np.random.default_rng(0).normal(0, 0.3, len(y))
    Y = np.column_stack([dear, y])[:100]
    Y[6:, 0] = np.nan
    inputs = Inputs.of(X, NAMES)
    both = estimate(inputs, np.arange(100), Y, seed=0).value[100:, 0]
    alone = estimate(inputs, np.arange(6), Y[:6, :1], seed=0).value[100:, 0]
    assert tau(dear[100:], both) > tau(dear[100:], alone) + 0.05


@pytest.mark.parametrize("labels", [[3.0], [4.0, 4.0, 4.0], [1.0, 2.0, 2.0, 9.0]])
def test_labels_are_mapped_to_scores_and_back(labels: list[float]) -> None:
    known = LabelScores.of(np.array(labels))
    scores = known.forward(np.array(labels))
    assert known.backward(scores) == pytest.approx(labels)
    beyond = known.backward(np.array([scores.min() - 1, scores.max() + 1]))
    assert beyond[0] < min(labels)
    assert beyond[1] > max(labels)


def test_populations_without_features_that_vary_and_targets_without_labels() -> None:
    X = np.ones((6, 2), np.float32)
    X[0, 0] = np.nan
    Y = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan]])
    found = estimate(Inputs.of(X, ["a", "b"]), np.arange(3), Y, seed=0)
    assert found.value[:, 0] == pytest.approx(2.0, abs=0.5)
    assert (found.value[:, 1] == 0).all()
    assert (found.deviation > 0).all()
