"""Smooth labels: closer to the truth than the labels, and honest about how far labels lie off."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import kendalltau

from acorn.forests import Ensemble
from acorn.learning.fitting import Configuration, fit_smoothed_forest
from acorn.learning.smoothing import (
    Factors,
    MixedProcess,
    SmoothedLabels,
    expected_scores,
    mode_share,
)
from acorn.learning.smoothing.posterior import Posterior
from acorn.learning.smoothing.process_inputs import standardised
from acorn.learning.smoothing.relevance import covariance, matern, negative_log_evidence, relevance
from acorn.learning.smoothing.scores import LEAST_SHARE, NormalScores, SymmetricScores

PERCENT = st.floats(0, 100, allow_subnormal=False, width=32)


@pytest.fixture(scope="module")
def signal() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Features of 400 functions, two true targets that go together, and a column of noise."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (400, 4)).astype(np.float32)
    bend = np.sin(2 * X[:, 0]) + X[:, 1] ** 2
    return X, np.column_stack([60 + 10 * bend, 30 + 5 * bend + 2 * X[:, 1]]).astype(np.float64)


@given(arrays(np.float64, st.integers(1, 40), elements=PERCENT))
def test_scores_keep_the_order_and_lead_back(labels: NDArray[np.float64]) -> None:
    known = NormalScores.of(labels)
    scores = known.forward(labels)
    assert np.isfinite(scores).all()
    assert (np.diff(scores[np.argsort(labels)]) >= 0).all()
    assert np.allclose(known.backward(scores), labels)
    assert known.backward(np.array([-99.0, 99.0])).tolist() == [labels.min(), labels.max()]


@given(
    arrays(np.float64, st.integers(2, 40), elements=PERCENT),
    st.sampled_from([(0.0, 100.0), (-np.inf, np.inf)]),
)
def test_symmetric_scores_keep_the_order_and_lead_back(
    labels: NDArray[np.float64], bounds: tuple[float, float]
) -> None:
    known = SymmetricScores.of(labels, *bounds)
    scores = known.forward(labels)
    assert np.isfinite(scores).all()
    assert (np.diff(scores[np.argsort(labels)]) >= 0).all()
    inside = labels
    if known.form != "linear":
        inside = labels.clip(100 * LEAST_SHARE, 100 - 100 * LEAST_SHARE)
    assert np.allclose(known.backward(scores), inside, atol=1e-6)


def test_the_form_of_scores_is_that_of_the_least_skewed() -> None:
    z = np.random.default_rng(0).normal(size=2000)
    forms = {
        "linear": 50 + 10 * z,
        "log odds": 100 / (1 + np.exp(2 - 1.2 * z)),
        "log distance to the upper bound": 100 - 20 * np.exp(0.4 * z),
    }
    for form, labels in forms.items():
        assert SymmetricScores.of(labels, 0.0, 100.0).form == form
    assert SymmetricScores.of(np.exp(z), -np.inf, np.inf).form == "linear"
    assert SymmetricScores.of(np.full(5, 7.0), 0.0, 100.0).form == "linear"


def test_effects_of_groups_are_not_attributed_to_features() -> None:
    """Labels of twelve groups with effects, of recipes, and of a kind that is known."""
    rng = np.random.default_rng(0)
    n = 300
    groups, recipe, kind = rng.integers(12, size=n), rng.integers(-1, 2, n), rng.integers(2, size=n)
    Z = rng.normal(size=(n, 3)) / np.sqrt(3)
    truth = 1.5 * Z[:, 0] + np.where(kind == 1, 1.0, 0.0)
    effect = np.array([0.6, -0.6, 0.0])[recipe]  # the last is that of an unknown one
    label = truth + rng.normal(0, 0.5, 12)[groups] + effect + rng.normal(0, 0.1, n)
    mean, deviation = label.mean(), label.std()
    known = np.flatnonzero(groups < 9)
    process = MixedProcess.fit(
        Z,
        [kind],
        known,
        (label[known] - mean) / deviation,
        Factors([recipe[known]], [3], groups[known]),
        seed=0,
    )
    new = groups >= 9
    error = process.mean * deviation + mean - truth
    assert (error[new] - error[new].mean()).std() < 0.15
    assert np.diff(process.effects[0][:2])[0] * deviation == pytest.approx(-1.2, abs=0.15)
    # A label of a new group is off by the effects of its group and recipe, and by noise.
    off = (label - (process.mean * deviation + mean))[new]
    ratio = off.std() / (process.deviation[new].mean() * deviation)
    assert 0.5 < ratio < 1.6


def test_equal_labels_share_a_score() -> None:
    scores = NormalScores.of(np.array([5.0, 1.0, 5.0, 9.0])).forward(np.array([5.0, 5.0]))
    assert scores[0] == scores[1] == 0.0


def test_most_common_is_the_share_of_the_largest_tie() -> None:
    assert mode_share(np.array([0.0, 0.0, 0.0, 1.0])) == 0.75
    assert mode_share(np.array([1.0, 2.0])) == 0.5


def test_columns_are_put_on_one_scale() -> None:
    rng = np.random.default_rng(0)
    usual = rng.normal(size=300)
    missing = usual.copy()
    missing[3] = np.nan
    heavy = 10.0 ** (8 * rng.normal(size=300))
    X = np.column_stack(
        [np.full(300, 7.0), usual, 3 - 2 * usual, missing, heavy, np.full(300, np.nan)]
    )
    Z = standardised(X.astype(np.float32))
    assert Z.shape == (300, 3)  # neither the constant, nor the copy, nor what is all missing
    assert np.allclose(Z.mean(axis=0), 0)
    assert np.allclose(Z.std(axis=0), 1)
    assert np.abs(Z).max() < 9  # the heavy tail is gone
    assert (np.argsort(Z[:, 2]) == np.argsort(heavy)).all()


def test_what_never_varies_is_one_column_of_zeros() -> None:
    assert standardised(np.ones((5, 3), np.float32)).tolist() == [[0.0]] * 5


def test_the_covariance_is_materns() -> None:
    A, B = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]])
    r = np.sqrt(3) * 5
    assert covariance(A, B)[0] == pytest.approx([(1 + r) * np.exp(-r), 1.0], abs=1e-5)


def test_evidence_has_the_slope_that_is_worked_out() -> None:
    rng = np.random.default_rng(0)
    Z, Y = (torch.from_numpy(rng.normal(size=(12, columns))) for columns in (3, 2))
    Z[1] = Z[0]  # so that eigenvalues are equal, where automatic slopes divide by zero

    def of(scales: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        scaled = Z * scales
        return negative_log_evidence(matern(scaled, scaled), Y, noise)

    start = [
        torch.full((n,), v, dtype=Z.dtype, requires_grad=True) for n, v in ((3, 0.7), (2, 0.1))
    ]
    assert torch.autograd.gradcheck(of, start)


def test_what_does_not_matter_is_forgotten(
    signal: tuple[NDArray[np.float32], NDArray[np.float64]],
) -> None:
    X, truth = signal
    Z = standardised(X)
    found = relevance(Z, (truth - truth.mean(axis=0)) / truth.std(axis=0), seed=0)
    assert found.shape == (4,)
    assert min(found[:2]) > 3 * max(found[2:])


def test_smooth_labels_are_nearer_to_the_truth_than_the_labels(
    signal: tuple[NDArray[np.float32], NDArray[np.float64]],
) -> None:
    X, truth = signal
    rng = np.random.default_rng(1)
    Y = truth + rng.normal(size=truth.shape) * [5, 3]
    made = expected_scores(X, np.arange(len(X)), Y, np.empty((len(X), 0)), seed=0).smoothed()
    for t in range(2):
        assert np.abs(made.value[:, t] - truth[:, t]).mean() < 0.4 * np.abs(Y - truth)[:, t].mean()
        # A label lies about as far off as was said.
        off = np.abs(Y - made.value)[:, t] / made.deviation[:, t]
        assert 0.55 < (off < 1).mean() < 0.8


def test_functions_without_a_label_are_told_from_the_others(
    signal: tuple[NDArray[np.float32], NDArray[np.float64]],
) -> None:
    X, truth = signal
    labelled = np.arange(0, 400, 2)
    made = expected_scores(X, labelled, truth[labelled], np.empty((200, 0)), seed=0).smoothed()
    rest = np.arange(1, 400, 2)
    assert kendalltau(made.value[rest, 0], truth[rest, 0]).statistic > 0.9
    far = np.concatenate([X, np.full((1, 4), 9, np.float32)])
    unsure = (
        expected_scores(far, labelled, truth[labelled], np.empty((200, 0)), seed=0)
        .smoothed()
        .deviation
    )
    assert unsure[-1, 0] > unsure[:-1, 0].mean()


@pytest.mark.slow
def test_labels_on_other_datasets_help_a_noisy_target(
    signal: tuple[NDArray[np.float32], NDArray[np.float64]],
) -> None:
    X, truth = signal
    rng = np.random.default_rng(2)
    half = np.arange(0, 400, 2)
    noisy = truth[half, :1] + 12 * rng.normal(size=(200, 1))
    other = truth[half] + rng.normal(size=(200, 2))
    rest = np.arange(1, 400, 2)

    def error(companions: NDArray[np.float64]) -> float:
        value = expected_scores(X, half, noisy, companions, seed=0).smoothed().value[rest, 0]
        return 1 - kendalltau(value, truth[rest, 0]).statistic

    alone = error(np.empty((200, 0)))
    assert error(other) < 0.8 * alone
    useless = np.zeros((200, 1))  # one value: nothing to learn from
    assert error(useless) == alone


def test_few_landmarks_say_nearly_the_same(
    signal: tuple[NDArray[np.float32], NDArray[np.float64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, truth = signal
    Z = standardised(X)
    scores = (truth - truth.mean(axis=0)) / truth.std(axis=0)
    every = np.arange(len(Z))
    exact, deviation = Posterior.fit(Z, every, scores, seed=0).scores()
    monkeypatch.setattr("acorn.learning.smoothing.posterior.LANDMARKS", 150)
    near, wider = Posterior.fit(Z, every, scores, seed=0).scores()
    assert np.abs(near - exact).mean() < 0.1
    assert np.isfinite(wider).all()
    assert (deviation > 0).all()


def test_more_targets_than_functions_are_no_trouble() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(30, 3)).astype(np.float32)
    Y = 50 + 5 * X[:, :1] + rng.normal(size=(30, 45))
    made = expected_scores(X, np.arange(20), Y[:20], np.empty((20, 0)), seed=0).smoothed()
    assert made.value.shape == made.deviation.shape == (30, 45)
    assert np.isfinite(made.value).all()
    assert ((made.value >= Y[:20].min()) & (made.value <= Y[:20].max())).all()


def test_a_forest_repeats_smooth_labels_and_spreads_by_their_deviation(
    signal: tuple[NDArray[np.float32], NDArray[np.float64]],
) -> None:
    X, truth = signal
    labels = SmoothedLabels(truth, np.abs(truth) / 50)
    member = fit_smoothed_forest(
        X, labels, (4, 7), [0, 1, 3], Configuration(trees=10), seed=0, n_jobs=1
    )
    assert member.targets == (4, 7)
    assert member.forest.n_trees == 10
    mean, spread = Ensemble([member]).distribution(X, [4, 7])
    assert np.allclose(mean, truth, atol=1e-4)
    assert np.allclose(spread, labels.deviation, atol=1e-2)
