"""The examples of ``docs/extending.md`` are short and work in a checkout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks

EXAMPLES = {
    "acorn/proxies/agreement.py": (),
    "tests/proxies/test_agreement.py": (),
    "acorn/proxies/_engine/passes/mirrored.py": (
        (
            "acorn/proxies/_engine/records.py",
            "    weights: list[Tensor]",
            '    mirrored_logits: Float[Tensor, "2 batch classes"] = field(init=False)\n',
        ),
    ),
    "acorn/proxies/mirror.py": (),
    "tests/proxies/test_mirror.py": (),
    "acorn/spaces/stack/__init__.py": (),
    "tests/spaces/test_stack.py": (),
    "tests/service/test_digits.py": (
        (
            "acorn/schemas/predict_options.py",
            "    targets: list[str]",
            "    digits: int | None = Field(None, ge=0, "
            'description="Decimal places of the values.")\n',
        ),
        ("acorn/schemas/predict_options.py", "    targets: str | S", "    digits: int | None\n"),
    ),
    "service/http/routes/version.py": (),
    "tests/service/test_version.py": (),
}
"""Files of the page; for each, the lines to add to other files: file, next line, new line."""

HELPERS = (
    *("tests/__init__.py", "tests/conftest.py", "tests/service/__init__.py"),
    *("tests/conditions.py", "tests/service/conftest.py"),
    *("tests/service/in_process.py", "tests/service/postgres.py", "tests/service/servers.py"),
    *("tests/service/serve_faulty.py", "tests/service/small_forest.py"),
    "tests/service/work_functions.py",
)
"""Modules that tests of the page import."""


def files() -> dict[str, Block]:
    found = blocks(ROOT / "docs" / "extending.md")
    return {block.title: block for block in found if block.title}


def test_they_are_under_forty_lines() -> None:
    assert files().keys() == EXAMPLES.keys()
    for name, block in files().items():
        assert sum(map(bool, block.text.splitlines())) < 40, name


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages, without released forests, with all examples of the page."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("acorn", "service", "training"):
        ignored = shutil.ignore_patterns("released", "__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in HELPERS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name, additions in EXAMPLES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(files()[name].text)
        for listing, before, line in additions:
            text = (folder / listing).read_text()
            assert text.count(before) == 1
            (folder / listing).write_text(text.replace(before, line + before))
    return folder


@pytest.mark.slow
def test_commands_find_the_examples(checkout: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "training.commands", "features", "--space", "stack"),
            *("--archs", "sample:3", "--dataset", "cifar10", "--proxies", "agreement"),
            *("--batch-size", "4", "--workers", "1", "--json"),
            *("--out", str(tmp_path / "features.parquet")),
        ],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 3


@pytest.mark.parametrize(
    ("word", "count"),
    [("agreement", 2), ("mirror", 4), ("stack", 2), ("digits", 2), ("version", 2)],
)
def test_files_that_an_addition_touches(word: str, count: int) -> None:
    names = {name for name in EXAMPLES if word in name}
    additions = [addition for name in names for addition in EXAMPLES[name]]
    assert len(names | {listing for listing, _, _ in additions}) == count
    page = (ROOT / "docs" / "extending.md").read_text()
    assert all(line.strip() in page for _, _, line in additions)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_additions_work_in_a_checkout(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert "11 passed" in done.stdout
