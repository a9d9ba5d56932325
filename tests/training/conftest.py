"""Fixtures of the training tests."""

from collections.abc import Iterator

import pytest

from acorn.learning.smoothing import networks


@pytest.fixture(scope="module")
def few_steps() -> Iterator[None]:
    """Networks that learn next to nothing, for tests of all else about training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "MOST_STEPS", 30)
        yield
