"""Links inside README and documentation lead somewhere, anchors included."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.docs.blocks import PAGES, ROOT

OUTSIDE = ("http://", "https://", "mailto:")


def inline(page: Path) -> list[list[Token]]:
    """What stands in each paragraph, heading and cell of a page."""
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


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and the site both make them."""
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    titles = [
        "".join(child.content for child in after.children or [])
        for token, after in pairwise(tokens)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(found), f"{target}: no such heading"


def test_links_are_seen() -> None:
    assert "docs/design.md" in links(ROOT / "README.md")
    assert "functions-never-seen" in anchors(ROOT / "docs" / "results.md")
