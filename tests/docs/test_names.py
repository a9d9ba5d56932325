"""Names and paths that the pages mention exist."""

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest
from markdown_it import MarkdownIt

from tests.docs.blocks import PAGES, ROOT

PATH = re.compile(r"(?:acorn|benchmarks|deploy|models|service|tests|training)/[\w./*-]*")
NAME = re.compile(r"(?:acorn|benchmarks|service|training)(?:\.[A-Za-z_]\w*)+")
NOT_IN_A_CHECKOUT = {"acorn/released/"}
"""Folders that only a wheel has."""
NOT_MODULES = {"acorn.toml", "service.access"}
"""A configuration file and a logger."""


def code(page: Path) -> list[str]:
    """Return the inline code of a page."""
    tokens = MarkdownIt().enable("table").parse(page.read_text("utf-8"))
    children = [child for token in tokens for child in token.children or []]
    return [child.content for child in children if child.type == "code_inline"]


def resolves(name: str) -> bool:
    """Return whether a dotted name is a module or a member of a module or class."""
    try:
        resolve_name(name)
    except (AttributeError, ImportError):
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_and_names_exist(page: Path) -> None:
    words = [word for text in code(page) for word in text.replace("(", " ").split()]
    paths = {word for word in words if PATH.fullmatch(word)} - NOT_IN_A_CHECKOUT
    names = {word for word in words if NAME.fullmatch(word)} - NOT_MODULES
    assert [path for path in sorted(paths) if not any(ROOT.glob(path))] == []
    assert [name for name in sorted(names) if not resolves(name)] == []


def test_missing_names_are_detected() -> None:
    assert resolves("acorn.compute_proxies")
    assert resolves("acorn.forests.Bundle.predict")
    assert not resolves("acorn.forests.Bundle.absent")
    assert not resolves("acorn.forests.absent")
    assert not resolves("service.absent")
    assert "acorn/proxies/_engine/records.py" in code(ROOT / "docs" / "passes.md")
