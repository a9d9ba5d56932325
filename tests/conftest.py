"""Fixtures that every test folder shares."""

import fcntl
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest

from acorn.learning import fitting
from acorn.learning.smoothing import networks
from acorn.spaces import SPACES
from acorn.spaces.plugins import VARIABLE
from tests import conditions
from tests.service.small_forest import SmallForest, make

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("acorn", deadline=None)
hypothesis.settings.load_profile("acorn")

T = TypeVar("T")
Write = Callable[[str, str], str]

SHARED = Path(__file__).resolve().parents[2] / "shared"


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """Return what ``make`` wrote into a folder, which the processes of a test run share."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the folder of the run, and not of this process
        folder = folder.parent
    description = folder / f"{name}.pickle"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not description.exists():
            description.write_bytes(pickle.dumps(make(folder / name)))
    result: T = pickle.loads(description.read_bytes())  # noqa: S301 (written above)
    return result


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallForest:
    """A folder with one bundle, and cells that it knows or does not know; it is not written to."""
    return made_once(tmp_path_factory, "small", lambda folder: make(folder / "forests"))


@pytest.fixture(scope="session")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle that has conditions, which is not written to."""

    def write(folder: Path) -> Path:
        folder.mkdir()
        with minimal_training():
            conditions.write_forest(folder, conditions.labels(), {conditions.TABLED: 5})
        return folder

    return made_once(tmp_path_factory, "conditional", write)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the published labels, proxies and images; tests that need it skip without."""
    if not (SHARED / "benchmarks").is_dir():
        pytest.skip("needs the published benchmark tables beside the checkout (../shared)")
    return SHARED


@contextmanager
def minimal_training() -> Iterator[None]:
    """Train networks that learn next to nothing and small forests, for tests of all else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "MOST_STEPS", 5)
        patch.setattr(fitting, "MOST_LEAVES", 1)
        yield


@pytest.fixture(scope="module")
def few_steps() -> Iterator[None]:
    """Train as little as possible in all tests of a module."""
    with minimal_training():
        yield


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module and name it as the plugin; the registry is as before after the test."""
    state = {name: getattr(SPACES, name) for name in ("_spaces", "_loaded", "plugins")}
    for name in ("_spaces", "plugins"):
        monkeypatch.setattr(SPACES, name, dict(state[name]))
    monkeypatch.setattr(SPACES, "_loaded", None)
    monkeypatch.syspath_prepend(tmp_path)
    modules = set(sys.modules)

    def write(module: str, text: str) -> str:
        (tmp_path / f"{module}.py").write_text(text)
        monkeypatch.setenv(VARIABLE, module)
        return module

    yield write
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]
