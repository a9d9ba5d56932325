"""Expected improvement of Gaussian processes over a population."""

import numpy as np
import pytest

from acorn.learning.smoothing.scores import normal_quantiles
from training.nas.surrogate import Process, Surrogate


def test_improvement_is_expected_beside_the_best_and_not_beside_the_worst() -> None:
    Z = np.linspace(-2, 2, 201)[:, None]
    labelled = np.array([0, 25, 50, 75, 100, 125, 150, 175, 200])
    scores = normal_quantiles(-np.abs(Z[labelled, 0] - 0.8))
    gain = Process(Z).improvement(labelled, scores)
    assert (gain >= 0).all()
    assert 0.5 <= Z[np.argmax(gain), 0] <= 1.1
    assert gain[10] < 0.01 * gain.max()
    assert gain[labelled].max() < 0.7 * gain.max()  # a label leaves less to improve


def test_distances_are_kept_and_the_order_of_labels_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    Z, scores = rng.standard_normal((50, 3)), rng.standard_normal(12)
    labelled = rng.permutation(50)[:12]
    process = Process(Z)
    process.improvement(labelled[:5], scores[:5])
    kept = process.improvement(labelled, scores)
    fresh = Process(Z).improvement(labelled[::-1].copy(), scores[::-1].copy())
    np.testing.assert_allclose(kept, fresh, rtol=1e-3, atol=1e-6)


def test_many_labels_of_alike_members_are_no_problem() -> None:
    Z = np.zeros((30, 2))
    Z[:3] = 1e-9
    gain = Process(Z).improvement(np.arange(20), np.linspace(-1, 1, 20))
    assert np.isfinite(gain).all()


@pytest.mark.parametrize(
    ("names", "processes"),
    [
        (["graph.log_params", "own.width"], 1),
        (["synflow", "nwot"], 1),
        (["graph.log_params", "params", "flops"], 1),  # size alone is no view of its own
        (["graph.log_params", "params", "synflow"], 2),
        ([], 1),
    ],
)
def test_proxies_have_a_process_of_their_own_beside_structure(
    names: list[str], processes: int
) -> None:
    X = np.random.default_rng(0).random((40, len(names))).astype(np.float32)
    surrogate = Surrogate.of(X, names)
    assert len(surrogate.processes) == processes
    gain = surrogate.improvement(np.arange(5), normal_quantiles(np.arange(5.0)))
    assert gain.shape == (40,)
    assert np.isfinite(gain).all()
