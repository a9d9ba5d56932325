import numpy as np
import pytest

from models.errors import BundleError
from models.forests.intervals import KEPT_SCORES, Intervals


def samples(n, seed):
    """Residuals whose size follows the spread, as where trees disagree for a reason."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.5, 5, size=(n, 1))
    return rng.normal(size=(n, 1)) * spread, spread


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.99])
def test_coverage_is_what_was_promised(level):
    fitted = Intervals.fit(*samples(3000, 0))
    residuals, spread = samples(20_000, 1)
    covered = np.abs(residuals) <= fitted.half_width(spread, level, [0])
    assert covered.mean() == pytest.approx(level, abs=0.02)
    thirds = np.array_split(np.argsort(spread[:, 0]), 3)
    assert all(abs(covered[third].mean() - level) < 0.06 for third in thirds)


def test_finite_samples_are_corrected_for():
    """With 9 scores the largest covers 90% of new rows; a tenth is needed for more."""
    residuals = np.arange(1.0, 10.0)[:, None]
    fitted = Intervals.fit(residuals, np.ones((9, 1)))
    spread = np.ones((1, 1))
    assert fitted.half_width(spread, 0.9, [0])[0, 0] == pytest.approx(9.0, rel=1e-5)
    assert fitted.half_width(spread, 0.91, [0])[0, 0] == np.inf


def test_thinned_scores_never_narrow():
    residuals, spread = samples(30_011, 2)
    fitted = Intervals.fit(residuals, spread)
    assert fitted.scores.shape == (1, KEPT_SCORES)
    scores = np.sort(np.abs(residuals[:, 0]) / (spread[:, 0] + fitted.beta[0].astype(float)))
    for level in np.linspace(0.01, 0.999, 150):
        rank = int(np.ceil(30_012 * level))
        kept = fitted.half_width(np.zeros((1, 1)), level, [0])[0, 0] / fitted.beta[0]
        assert kept >= scores[rank - 1] * (1 - 1e-6)
        assert kept <= scores[min(rank + 20, 30_010)] * (1 + 1e-6)


def test_missing_labels_calibrate_nothing():
    residuals, spread = samples(100, 0)
    both = np.column_stack([residuals, np.where(np.arange(100) < 60, residuals[:, 0], np.nan)])
    fitted = Intervals.fit(both, np.column_stack([spread, spread]))
    assert fitted.size.tolist() == [100, 60]


def test_trees_that_agree_still_leave_a_width():
    fitted = Intervals.fit(np.ones((50, 1)), np.zeros((50, 1)))
    assert fitted.half_width(np.zeros((1, 1)), 0.9, [0])[0, 0] == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [("scores", np.nan), ("scores", -1), ("beta", 0), ("beta", np.inf), ("size", 0)],
)
def test_unsound_numbers_are_refused(name, value):
    fitted = Intervals.fit(*samples(50, 0))
    getattr(fitted, name)[...] = value
    with pytest.raises(BundleError, match="must be finite"):
        Intervals.from_bytes(fitted.to_bytes(), targets=1)


def test_another_number_of_targets_is_refused():
    with pytest.raises(BundleError, match="not of 2 targets"):
        Intervals.from_bytes(Intervals.fit(*samples(50, 0)).to_bytes(), targets=2)
