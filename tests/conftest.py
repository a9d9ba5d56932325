"""Fixtures that every test folder shares."""

from pathlib import Path

import hypothesis
import pytest

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("acorn", deadline=None)
hypothesis.settings.load_profile("acorn")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the published labels, proxies and images; tests that need it skip without."""
    if not (SHARED / "benchmarks").is_dir():
        pytest.skip("needs the published benchmark tables beside the checkout (../shared)")
    return SHARED
