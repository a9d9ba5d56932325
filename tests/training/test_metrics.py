import numpy as np
import pytest

from acorn.learning.evaluation_metrics import score, tau

NAN = float("nan")


def test_known_scores() -> None:
    label = np.array([1.0, 2, 3, 4])
    value = np.array([1.0, 3, 2, 4])
    found = score(label, value, value - 0.5, value + 1)
    assert found.n == 4
    assert found.kendall_tau == pytest.approx(4 / 6)
    assert found.spearman_rho == pytest.approx(0.8)
    assert found.r2 == pytest.approx(1 - 2 / 5)
    assert found.mae == pytest.approx(0.5)
    assert found.coverage == pytest.approx(0.75)
    assert found.median_width == pytest.approx(1.5)


def test_missing_labels_do_not_count() -> None:
    label = np.array([1.0, NAN, 2, 3])
    value = np.array([1.0, 99, 2, 3])
    found = score(label, value, value, value)
    assert (found.n, found.mae) == (3, 0)
    assert found.kendall_tau == pytest.approx(1)
    assert tau(label, value) == pytest.approx(1)


@pytest.mark.parametrize("label", [[], [NAN], [5.0], [5.0, 5.0]])
def test_undefined_is_none_and_not_a_number(label: list[float]) -> None:
    labels = np.array(label, np.float64)
    value = np.arange(float(len(labels)))
    found = score(labels, value, value, value)
    assert found.kendall_tau is found.spearman_rho is found.r2 is None
    assert found.n == np.isfinite(labels).sum()
    assert tau(labels, value) == 0


def test_equal_predictions_rank_nothing() -> None:
    found = score(np.array([1.0, 2]), np.array([3.0, 3]), np.zeros(2), np.ones(2))
    assert found.kendall_tau is None
    assert found.r2 is not None
