"""The site builds without a warning, has every page, and loads nothing from other servers."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.docs import api_reference
from tests.docs.blocks import GENERATED, PAGES, ROOT

CONFIG = ROOT / "zensical.toml"
NAMES = [
    *(page.relative_to(ROOT / "docs") for page in PAGES[1:]),
    *(Path("api") / f"{room}.md" for room in api_reference.ROOMS),
]
LOADED = re.compile(r'<(?:script|img)[^>]* src="?(?:https?:)?//|<link rel="?stylesheet"?[^>]*//')


def listed(entry: Any) -> list[str]:
    """Pages of a part of the navigation."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in listed(part)]


def test_every_page_is_in_the_navigation_once() -> None:
    nav = tomllib.loads(CONFIG.read_text())["project"]["nav"]
    assert sorted(listed(nav)) == sorted(map(str, NAMES))


def test_each_reader_reads_in_the_order_of_the_navigation() -> None:
    nav = tomllib.loads(CONFIG.read_text())["project"]["nav"]
    pages = {name: listed(part[name]) for part in nav for name in part if name.startswith("For ")}
    text = (ROOT / "docs" / "index.md").read_text().partition("## By reader")[2]
    rows = re.findall(r"^\| (\w+), who (.*)", text.partition("\n## ")[0], re.MULTILINE)
    assert {f"For {reader}s": re.findall(r"\((\w+\.md)\)", row) for reader, row in rows} == pages


def test_every_page_begins_with_its_readers() -> None:
    for page in PAGES[1:]:
        assert page.read_text().splitlines()[2].startswith("For "), page


@pytest.mark.slow
def test_the_site_builds(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns(GENERATED.name)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=ignored)
    api_reference.write(tmp_path / "docs" / GENERATED.name)
    shutil.copy(CONFIG, tmp_path)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    site = tmp_path / "build" / "site"
    for name in NAMES:
        folder = site if name.name == "index.md" else site / name.with_suffix("")
        assert not LOADED.search((folder / "index.html").read_text()), name
    assert (site / "notebooks" / "predict_and_explain.ipynb").is_file()
