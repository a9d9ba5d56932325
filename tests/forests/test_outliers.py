import numpy as np
import pytest
from numpy.typing import NDArray

from acorn.errors import BundleError
from acorn.forests.outliers import ALPHA, REFERENCE_BYTES, OutlierDetector


def rows(n: int, seed: int, columns: int = 12) -> NDArray[np.float32]:
    """Correlated features of several scales, with a constant, a binary and missing values."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, columns)) @ np.random.default_rng(9).normal(size=(columns, columns))
    X *= 10.0 ** (np.arange(columns) % 12 - 4)
    X[:, 0] = 3.0
    X[:, 1] = X[:, 2] > 0
    X[rng.random(n) < 0.2, 3] = np.nan
    return X.astype(np.float32)


@pytest.fixture(scope="module")
def detector() -> OutlierDetector:
    content = OutlierDetector.fit(rows(1500, 0), seed=0).to_bytes()
    return OutlierDetector.from_bytes(content, features=12)


def test_false_alarms_are_as_rare_as_promised(detector: OutlierDetector) -> None:
    in_domain, score = detector.score(rows(4000, 1))
    assert 1 - in_domain.mean() == pytest.approx(ALPHA, abs=0.02)
    assert score.mean() == pytest.approx(0.5, abs=0.05)
    assert ((score >= 0) & (score <= 1)).all()


@pytest.mark.parametrize("seed", range(5))
def test_small_tables_keep_the_promise_on_average(seed: int) -> None:
    alarms = [
        1 - OutlierDetector.fit(rows(60, 10 * seed + i), seed=i).score(rows(200, 99 + i))[0].mean()
        for i in range(8)
    ]
    assert np.mean(alarms) < ALPHA + 0.03


def strange(kind: str) -> NDArray[np.float32]:
    X = rows(50, 2)
    if kind == "a constant that changed":
        X[:, 0] = 4.0
    elif kind == "all missing":
        X[:] = np.nan
    elif kind == "columns of different rows":
        X = np.random.default_rng(0).permuted(X, axis=0)
    elif kind == "ten times as large":
        X *= 10
    elif kind == "at the end of float32":
        X[:, 5] = np.finfo(np.float32).max
    return X


@pytest.mark.parametrize(
    "kind",
    ["a constant that changed", "all missing", "ten times as large", "at the end of float32"],
)
def test_strange_rows_are_found(detector: OutlierDetector, kind: str) -> None:
    in_domain, score = detector.score(strange(kind))
    assert in_domain.mean() < 0.1
    assert np.median(score) > 0.95


def test_stranger_scores_higher(detector: OutlierDetector) -> None:
    X = rows(200, 3)
    scores = [detector.score(X * np.float32(factor))[1].mean() for factor in (1, 2, 4)]
    assert scores == sorted(scores)


def test_no_rows(detector: OutlierDetector) -> None:
    in_domain, score = detector.score(np.empty((0, 12), np.float32))
    assert in_domain.shape == score.shape == (0,)


@pytest.mark.slow
def test_large_tables_stay_small() -> None:
    content = OutlierDetector.fit(rows(5000, 4, columns=300), seed=0).to_bytes()
    assert len(content) < REFERENCE_BYTES + 100_000


def test_unsound_arrays_are_refused(detector: OutlierDetector) -> None:
    with pytest.raises(BundleError, match="not of 11 features"):
        OutlierDetector.from_bytes(detector.to_bytes(), features=11)
    spoiled = OutlierDetector.from_bytes(detector.to_bytes(), features=12)
    spoiled.scale[0] = 0
    with pytest.raises(BundleError, match="or no scale"):
        OutlierDetector.from_bytes(spoiled.to_bytes(), features=12)


def test_a_row_scores_alone_as_in_a_batch() -> None:
    rows = np.random.default_rng(3).normal(size=(700, 40)).astype(np.float32)
    detector = OutlierDetector.fit(rows, seed=0)
    _, together = detector.score(rows)
    alone = [float(detector.score(rows[row : row + 1])[1][0]) for row in range(0, 700, 50)]
    assert alone == together[::50].tolist()


def test_groups_are_calibrated_on_each_other() -> None:
    """Rows of a new group are far from all others, as each known group is."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(24, 6))
    X = (np.repeat(centres, 20, axis=0) + rng.normal(0, 0.02, (480, 6))).astype(np.float32)
    X[:, 5] = rng.normal(0, 1e4, 480)  # a column that does not count
    groups = [f"group {row // 20}" for row in range(480)]
    known, new = X[:400], X[400:]
    by_group = OutlierDetector.fit_groups(known, groups[:400], range(5))
    assert by_group.score(new)[0].mean() > 0.7
    by_row = OutlierDetector.fit(known[:, :5], seed=0)
    assert by_row.score(new[:, :5])[0].mean() < 0.3
    far = np.full((1, 6), 4, np.float32)
    assert not by_group.score(far)[0].any()
    again = OutlierDetector.from_bytes(by_group.to_bytes(), features=6)
    np.testing.assert_array_equal(again.score(new)[1], by_group.score(new)[1])
