"""Networks that smooth labels: what they learn, and from what."""

import numpy as np
import pytest
from numpy.typing import NDArray

from acorn.learning.smoothing import networks


@pytest.fixture(scope="module")
def made() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features of 500 functions, and two columns of unit variance that share a signal."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(500, 6))
    bend = np.sin(2 * Z[:, 0]) * Z[:, 1]
    columns = np.column_stack([bend, bend + 0.2 * Z[:, 2]])
    return Z, (columns - columns.mean(axis=0)) / columns.std(axis=0)


def error(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return np.square(found - truth).mean()


def test_a_bent_signal_is_learned_where_there_is_no_label(
    made: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    Z, truth = made
    found = networks.predict(Z[:400], truth[:400], np.ones(2), Z[400:], seed=0)
    assert found.shape == (100, 2)
    assert error(found, truth[400:]) < 0.2  # of a variance of one


@pytest.mark.slow
def test_a_noisy_column_is_learned_better_beside_a_clear_one(
    made: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    Z, truth = made
    noisy = truth[:400, :1] + np.random.default_rng(1).normal(size=(400, 1))
    alone = networks.predict(Z[:400], noisy, np.ones(1), Z[400:], seed=0)
    pair = np.column_stack([noisy, truth[:400, 1]])
    beside = networks.predict(Z[:400], pair, np.array([1.0, 4.0]), Z[400:], seed=0)
    assert error(beside[:, 0], truth[400:, 0]) < 0.8 * error(alone[:, 0], truth[400:, 0])


def test_a_column_without_weight_is_not_learned(
    made: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    Z, truth = made
    found = networks.predict(Z[:400], truth[:400], np.array([1.0, 0.0]), Z[400:], seed=0)
    assert error(found[:, 0], truth[400:, 0]) < 0.2
    assert error(found[:, 1], truth[400:, 1]) > 0.8


def test_a_seed_gives_the_same_networks_and_another_gives_others(
    made: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    Z, truth = made
    first, again, other = (
        networks.predict(Z[:40], truth[:40], np.ones(2), Z[40:50], seed=seed) for seed in (3, 3, 4)
    )
    assert (first == again).all()
    assert not np.allclose(first, other)


def test_fewer_functions_than_a_step_draws_are_enough(
    made: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    Z, truth = made
    found = networks.predict(Z[:21], truth[:21], np.ones(2), Z[:21], seed=0)
    assert error(found, truth[:21]) < 0.2  # by heart
