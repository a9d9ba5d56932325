import numpy as np
import pytest
from numpy.typing import NDArray

from acorn.errors import BundleError
from acorn.forests.intervals import KEPT_SCORES, LEAST_A_PART, PARTS, Intervals

ONE = np.zeros((1, 1))


def samples(
    n: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Residuals whose size follows the spread, as where trees disagree for a reason."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.5, 5, size=(n, 1))
    return rng.normal(size=(n, 1)) * spread, rng.uniform(0, 100, size=(n, 1)), spread


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.99])
def test_coverage_is_what_was_promised(level: float) -> None:
    fitted = Intervals.fit(*samples(3000, 0))
    residuals, value, spread = samples(20_000, 1)
    covered = np.abs(residuals) <= fitted.half_width(value, spread, level, [0])
    assert covered.mean() == pytest.approx(level, abs=0.02)
    thirds = np.array_split(np.argsort(spread[:, 0]), 3)
    assert all(abs(covered[third].mean() - level) < 0.06 for third in thirds)


def test_finite_samples_are_corrected_for() -> None:
    """With 9 scores the largest covers 90% of new rows; a tenth is needed for more."""
    residuals = np.arange(1.0, 10.0)[:, None]
    fitted = Intervals.fit(residuals, np.zeros((9, 1)), np.ones((9, 1)))
    spread = np.ones((1, 1))
    assert fitted.half_width(ONE, spread, 0.9, [0])[0, 0] == pytest.approx(9.0, rel=1e-5)
    assert fitted.half_width(ONE, spread, 0.91, [0])[0, 0] == np.inf


def test_thinned_scores_never_narrow() -> None:
    residuals, _, spread = samples(30_011, 2)
    fitted = Intervals.fit(residuals, np.zeros_like(residuals), spread)
    assert fitted.scores.shape == (1, PARTS, KEPT_SCORES)
    scores = np.sort(np.abs(residuals[:, 0]) / (spread[:, 0] + fitted.beta[0].astype(float)))
    for level in np.linspace(0.01, 0.999, 150):
        rank = int(np.ceil(30_012 * level))
        kept = fitted.half_width(ONE, ONE, level, [0])[0, 0] / fitted.beta[0]
        assert kept >= scores[rank - 1] * (1 - 1e-6)
        assert kept <= scores[min(rank + 50, 30_010)] * (1 + 1e-6)


def test_missing_labels_calibrate_nothing() -> None:
    residuals, value, spread = samples(100, 0)
    both = np.column_stack([residuals, np.where(np.arange(100) < 60, residuals[:, 0], np.nan)])
    fitted = Intervals.fit(both, np.tile(value, 2), np.tile(spread, 2))
    assert fitted.size.tolist() == [[100] * PARTS, [60] * PARTS]


def test_trees_that_agree_still_leave_a_width() -> None:
    fitted = Intervals.fit(np.ones((50, 1)), np.zeros((50, 1)), np.zeros((50, 1)))
    assert fitted.half_width(ONE, ONE, 0.9, [0])[0, 0] == pytest.approx(1, rel=1e-5)


def test_each_third_of_the_predictions_is_covered() -> None:
    """Where errors grow with accuracy and the trees do not know it."""
    rng = np.random.default_rng(3)

    def draw(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        value = rng.uniform(0, 90, size=(n, 1))
        return rng.normal(size=(n, 1)) * (1 + value // 30), value, np.ones((n, 1))

    fitted = Intervals.fit(*draw(PARTS * LEAST_A_PART * 5))
    residuals, value, spread = draw(30_000)
    covered = np.abs(residuals) <= fitted.half_width(value, spread, 0.9, [0])
    for third in np.array_split(np.argsort(value[:, 0]), 3):
        assert covered[third].mean() == pytest.approx(0.9, abs=0.025)


def test_few_rows_calibrate_together() -> None:
    fitted = Intervals.fit(*samples(PARTS * LEAST_A_PART - 1, 0))
    assert np.isinf(fitted.edges).all()
    assert (fitted.scores[0] == fitted.scores[0, 0]).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scores", np.nan),
        ("scores", -1),
        ("beta", 0),
        ("beta", np.inf),
        ("size", 0),
        ("edges", np.nan),
    ],
)
def test_unsound_numbers_are_refused(name: str, value: float) -> None:
    fitted = Intervals.fit(*samples(50, 0))
    getattr(fitted, name)[...] = value
    with pytest.raises(BundleError, match="must be finite"):
        Intervals.from_bytes(fitted.to_bytes(), targets=1)


def test_another_number_of_targets_is_refused() -> None:
    with pytest.raises(BundleError, match="not of 2 targets"):
        Intervals.from_bytes(Intervals.fit(*samples(50, 0)).to_bytes(), targets=2)
