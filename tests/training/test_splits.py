import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acorn.learning.splits import folds, held_out, uniform

IDS = [f"space/{i % 700}" for i in range(1000)]


def test_twins_stay_together() -> None:
    for marks in (held_out(IDS, fraction=0.2), folds(IDS, n_folds=5)):
        assert (marks[:300] == marks[700:]).all()


def test_the_fraction_is_about_what_was_asked() -> None:
    assert held_out(IDS[:700], fraction=0.2).mean() == pytest.approx(0.2, abs=0.04)
    assert not held_out(IDS, fraction=0).any()
    assert held_out(IDS, fraction=1).all()


def test_a_function_is_held_out_whatever_else_is_there() -> None:
    alone = [held_out([id_], fraction=0.5)[0] for id_ in IDS[:50]]
    assert held_out(IDS, fraction=0.5)[:50].tolist() == alone


def test_seeds_differ() -> None:
    assert (held_out(IDS, fraction=0.5) != held_out(IDS, fraction=0.5, seed=1)).any()
    assert (folds(IDS, n_folds=2) != folds(IDS, n_folds=2, seed=1)).any()


@given(st.sets(st.text(), min_size=5), st.integers(1, 5))
def test_folds_are_even(ids: set[str], n_folds: int) -> None:
    sizes = np.bincount(folds(sorted(ids), n_folds=n_folds), minlength=n_folds)
    assert sizes.sum() == len(ids)
    assert sizes.max() - sizes.min() <= 1


def test_too_few_functions() -> None:
    with pytest.raises(ValueError, match="got 2 canonical architectures; expected at least 3"):
        folds(["a", "b", "a"], n_folds=3)


def test_numbers_do_not_change() -> None:
    """Released bundles rely on it: who was held out must be so forever."""
    assert uniform("nats_tss/x", seed=0) == pytest.approx(0.8696127, abs=1e-6)
