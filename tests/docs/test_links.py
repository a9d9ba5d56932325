"""Links inside README and documentation have existing targets and anchors."""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.docs.blocks import PAGES, ROOT

OUTSIDE = ("http://", "https://", "mailto:")


def inline(page: Path) -> list[list[Token]]:
    """Return the tokens of each paragraph, heading and cell of a page."""
    tokens = MarkdownIt().enable("table").parse(page.read_text("utf-8"))
    return [token.children or [] for token in tokens if token.type == "inline"]


def links(page: Path) -> list[str]:
    targets = [
        str(token.attrs.get("href") or token.attrs.get("src"))
        for children in inline(page)
        for token in children
        if token.type in ("link_open", "image")
    ]
    return [target for target in targets if not target.startswith(OUTSIDE)]


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as on GitHub and on the site."""
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    titles = [
        "".join(child.content for child in after.children or [])
        for token, after in pairwise(tokens)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_link_targets_exist(page: Path) -> None:
    for target in links(page):
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(found), f"{target}: no such heading"


def test_links_are_found() -> None:
    assert "docs/design.md" in links(ROOT / "README.md")
    assert "held-out-architectures" in anchors(ROOT / "docs" / "results.md")
